# Completions for bash: source scripts/completions.bash
# What there is to choose from, the programs say themselves: their --help, and `muster keys`.

_muster_scripts=$(CDPATH= cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

# Options and subcommands of `$@ --help`, and what follows a dash in its usage.
_muster_words() {
  "$@" --help 2>/dev/null | awk '
    { for (rest = $0; match(rest, /--[a-z][a-z-]*/); rest = substr(rest, RSTART + RLENGTH)) print substr(rest, RSTART, RLENGTH) }
    /^Subcommands:/ { listed = 1; next }
    /^$/ { listed = 0 }
    listed && /^  [a-z]/ { print $1 }' | sort -u
}

# Its subcommands alone.
_muster_subcommands() { _muster_words "$@" | grep -v '^-'; }

# What stands behind an option in `$1 --help`: {its,choices} or the NAME of its value; nothing where it takes none.
_muster_value() {
  "$1" --help 2>/dev/null | awk -v option="$2" 'match($0, "^  " option " [^ ]+") { print $2; exit }'
}

# Keys of a configuration with an equals sign; or, behind one, the values that the key takes by name.
_muster_keys() {
  "$1" keys 2>/dev/null | awk -v key="$2" '
    /^  [a-z]/ { name = $1; if (key == "") print name "=" ; next }
    name == key && /^      one of / { gsub(/[",]/, ""); for (i = 3; i <= NF; i++) print $i; exit }
    name == key && /true or false/ { print "true\nfalse"; exit }'
}

# The same where no executable need be, and the measures that a figure can show: keys, measures, values KEY.
_muster_choices() { (cd "$_muster_scripts" && /usr/bin/python3 -B -m lab.choices "$@" 2>/dev/null); }

# Bash takes = and : for words of their own; the line up to the cursor, cut at blanks, is what the user sees.
_muster_cut() {
  line=${COMP_LINE:0:COMP_POINT}
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  before=${words[-2]}
  COMPREPLY=()
}

_muster_offer() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2"); }

# Folders, files that end in $1, and the words $2.
_muster_offer_files() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -W "$2" -- "$current"; compgen -d -- "$current"; [[ $1 ]] && compgen -f -X "!*$1" -- "$current")
}

_muster() {
  local program=${COMP_WORDS[0]} line words current before subcommand subcommands
  _muster_cut
  if [[ $before == --set && $current == *=* ]]; then
    _muster_offer "$(_muster_keys "$program" "${current%%=*}")" "${current#*=}"
  elif [[ $before == --set ]]; then
    compopt -o nospace
    _muster_offer "$(_muster_keys "$program" "")" "$current"
  elif [[ ${#words[@]} -eq 2 ]]; then
    _muster_offer "$(_muster_words "$program")" "$current"
  elif [[ ${#words[@]} -eq 3 && $current != -* ]]; then
    subcommands=$(_muster_subcommands "$program" "${words[1]}")
    [[ $subcommands ]] && _muster_offer "$subcommands" "$current"
  elif [[ $current == -* ]]; then
    # Of `log`, `lsm` and their like, each subcommand has options of its own.
    grep -qxF -e "${words[2]}" <<<"$(_muster_subcommands "$program" "${words[1]}")" && subcommand=${words[2]}
    _muster_offer "$(_muster_words "$program" "${words[1]}" ${subcommand:+"$subcommand"})" "$current"
  fi
}

_muster_script() {
  local program=${COMP_WORDS[0]} line words current before value subcommand
  _muster_cut
  if [[ $current == -* ]]; then
    [[ ${program##*/}:${words[1]} =~ ^sweep.py:(status|pack|cancel)$ ]] && subcommand=${words[1]}
    _muster_offer "$(_muster_words "$program" ${subcommand:+"$subcommand"})" "$current"
    return
  fi
  [[ $before == -* ]] && value=$(_muster_value "$program" "$before")
  case $value in
    "") _muster_argument "${program##*/}" ;;
    KEY) _muster_offer "$(_muster_choices keys)" "$current" ;;
    MEASURE) _muster_offer "$(_muster_choices measures)" "$current" ;;
    KEY=VALUE*) _muster_condition ;;
    '{'*'}') _muster_offer "$(tr '{,}' '   ' <<<"$value")" "$current" ;;
  esac
}

# KEY=VALUE,VALUE: the key with its sign, then values; what stands before the last comma stays.
_muster_condition() {
  if [[ $current != *=* ]]; then
    compopt -o nospace
    _muster_offer "$(_muster_choices keys | sed 's/$/=/')" "$current"
    return
  fi
  local typed=${current#*=} kept=
  [[ $typed == *,* ]] && kept=${typed%,*},
  _muster_offer "$(_muster_choices values "${current%%=*}" | sed "s/^/$kept/")" "$typed"
}

_muster_argument() {
  case $1 in
    sweep.py) _muster_sweep_argument ;;
    reproduce) _muster_offer "$(_muster_choices figures)" "$current" ;;
    export | hgrm | report | table.py | history | latency.py | plot.py | throughput.py) _muster_offer_files .jsonl.gz ;;
  esac
}

_muster_sweep_argument() {
  if ((${#words[@]} == 2)); then
    _muster_offer_files .json "$(_muster_subcommands "$program")"
  elif [[ ${words[1]} =~ ^(status|pack|cancel)$ ]]; then
    _muster_offer_files
  else
    _muster_offer_files .json
  fi
}

complete -o default -F _muster muster
complete -o default -F _muster_script compare crash crash_loop export gate_honesty hgrm history lsm_rivals model numa_guest quickstart \
  reference_loop regress report reproduce setup sweep.py table.py test append_benchmarks.py advance_benchmarks.py lag_benchmarks.py \
  harness_cost.py instructions.py latency.py machine.py plot.py throughput.py
