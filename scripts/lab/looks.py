"""One colour and one marker an algorithm, in every figure and report."""

from dataclasses import dataclass


@dataclass
class Look:
    colour: str
    marker: str
    line: str = "-"


# Colours that colour-blind readers tell apart (Okabe and Ito), light and dark enough for grey prints; the controls
# are grey and black, dotted and dashed.
LOOKS = {
    "null": Look("#999999", "x", ":"),
    "copy_rotating": Look("#555555", "1", ":"),
    "copy_counted": Look("#555555", "2", "--"),
    "copy_interleaved": Look("#555555", "3", "-."),
    "bound": Look("#000000", "_", "--"),
    "mutex": Look("#D55E00", "s"),
    "latch_flush_latch": Look("#7B68EE", "p"),
    "decoupled": Look("#56B4E9", "P"),
    "consolidation": Look("#E69F00", "^"),
    "consolidation_decoupled": Look("#F0A3A3", "X"),
    "consolidation_delegated": Look("#A65628", "<"),
    "wiredtiger_slots": Look("#666633", ">"),
    "postgres_insert_locks": Look("#882255", "h"),
    "postgres_lock_free": Look("#AA3377", "H"),
    "rocksdb_write_group": Look("#6699CC", "8"),
    "mysql_link_buf": Look("#332288", "d"),
    "length_word": Look("#997700", "*"),
    "eleda": Look("#009E73", "D"),
    "border_collie_naive": Look("#CC79A7", "v"),
    "border_collie": Look("#0072B2", "o"),
    "border_collie_awake": Look("#66CCEE", "o", "--"),
    "ermia_released": Look("#DDAA33", "X", ":"),
    "ermia": Look("#AA4499", ">"),
    "fasterlog_epoch": Look("#117733", "<"),
}
# For algorithms that have no look of their own yet.
SPARE = [Look("#44AA99", "P"), Look("#B22222", "X"), Look("#8FBC8F", ">")]


def look(algorithm, among):
    if algorithm in LOOKS:
        return LOOKS[algorithm]
    strangers = sorted(set(among) - set(LOOKS))
    return SPARE[strangers.index(algorithm) % len(SPARE)]
