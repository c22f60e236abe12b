# Completions for bash: source scripts/completions.bash
# What there is to choose from, the programs say themselves: their --help, and `muster keys`.

# Options and subcommands of `$@ --help`, and what follows a dash in its usage.
_muster_words() {
  "$@" --help 2>/dev/null | awk '
    { for (rest = $0; match(rest, /--[a-z][a-z-]*/); rest = substr(rest, RSTART + RLENGTH)) print substr(rest, RSTART, RLENGTH) }
    /^Subcommands:/ { listed = 1; next }
    listed && /^  [a-z]/ { print $1 }' | sort -u
}

# Keys of a configuration with an equals sign; or, behind one, the values that the key takes by name.
_muster_keys() {
  "$1" keys 2>/dev/null | awk -v key="$2" '
    /^  [a-z]/ { name = $1; if (key == "") print name "=" ; next }
    name == key && /^      one of / { gsub(/[",]/, ""); for (i = 3; i <= NF; i++) print $i; exit }
    name == key && /true or false/ { print "true\nfalse"; exit }'
}

_muster() {
  local program=${COMP_WORDS[0]} line words current before
  # Bash takes = and : for words of their own; the line up to the cursor, cut at blanks, is what the user sees.
  line=${COMP_LINE:0:COMP_POINT}
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  before=${words[-2]}
  COMPREPLY=()
  if [[ $before == --set && $current == *=* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_muster_keys "$program" "${current%%=*}")" -- "${current#*=}")
  elif [[ $before == --set ]]; then
    compopt -o nospace
    mapfile -t COMPREPLY < <(compgen -W "$(_muster_keys "$program" "")" -- "$current")
  elif [[ ${#words[@]} -eq 2 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_muster_words "$program")" -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_muster_words "$program" "${words[1]}")" -- "$current")
  fi
}

_muster_script() {
  COMPREPLY=()
  [[ ${COMP_WORDS[COMP_CWORD]} == -* ]] &&
    mapfile -t COMPREPLY < <(compgen -W "$(_muster_words "${COMP_WORDS[0]}")" -- "${COMP_WORDS[COMP_CWORD]}")
}

complete -o default -F _muster muster
complete -o default -F _muster_script compare crash crash_loop export gate_honesty hgrm history model quickstart regress report setup sweep.py \
  table.py test append_benchmarks.py advance_benchmarks.py lag_benchmarks.py harness_cost.py instructions.py \
  latency.py plot.py throughput.py
