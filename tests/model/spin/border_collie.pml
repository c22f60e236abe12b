/* algorithms/border_collie.h, step by step. Parameters: those of log_buffer.pml, and DETACH: a worker that has done
 * may leave, and a newcomer takes its slot. The mutants and the one variant (WHITE_ENDS_IGNORED: safe, but a boundary
 * that is less fresh) are where they differ.
 */
#include "log_buffer.pml"

bool black[SLOTS]; /* the flag: its colour, */
byte lsn[SLOTS];   /* and the rest of it */
byte last_end[SLOTS];

inline plant(slot, is_black, at) {
  black[slot] = is_black;
  lsn[slot] = at
}

inline plant_first_black(slot) {
  d_step { plant(slot, true, last_end[slot]) }
}

inline publish(slot) {
  last_end[slot] = end[slot];
  plant(slot, false, end[slot]);
  open[slot] = false;
#ifndef PUBLISHED_BEFORE_COPIED
  forget(slot)
#endif
}

proctype worker(byte slot) {
  byte left = RECORDS;
#if LATE > 0
  if
  :: slot >= WORKERS - LATE -> attach(slot)
  :: else
  fi;
#endif
  do
  :: left > 0 ->
    left--;
#ifndef BLACK_AFTER_FETCH_ADD
    plant_first_black(slot);
#endif
    take_any_size(slot);
#ifdef BLACK_AFTER_FETCH_ADD
    plant_first_black(slot);
#endif
#ifndef PUBLISHED_BEFORE_COPIED
    if
    :: d_step { has_room(slot) -> copy(slot) }
    :: else ->
#ifndef NO_TIGHTENED_FLAG
      d_step { plant(slot, true, begin[slot]) };
#endif
      d_step { has_room(slot) -> copy(slot) } /* the wait */
    fi;
#endif
    if
    :: d_step { publish(slot) }
#ifdef LIVENESS
    :: d_step { watched == 0 -> watched = end[slot]; publish(slot) }
#endif
    fi;
#ifdef PUBLISHED_BEFORE_COPIED
    d_step { has_room(slot) -> copy(slot) }
#endif
  :: break /* idle for ever, attached */
#ifdef DETACH
  :: detach(slot);
    break
#endif
  od
}

/* The collie looks at one flag. */
inline look(slot) {
  d_step {
    if
    :: black[slot] -> boundary = LEAST(boundary, lsn[slot])
    :: else ->
#if defined(CUTOFF_AFTER_SCAN)
      whites = LEAST(whites, lsn[slot])
#elif defined(CUTOFF_IS_HIGHEST_FLAG)
      cutoff = MOST(cutoff, lsn[slot])
#elif defined(NO_CUTOFF)
      boundary = LEAST(boundary, lsn[slot])
#elif defined(WHITE_ENDS_IGNORED)
      boundary = LEAST(boundary, cutoff)
#else
      boundary = LEAST(boundary, MOST(cutoff, lsn[slot]))
#endif
    fi;
    slot++
  }
}

proctype drainer() {
  byte cutoff, covered, boundary, slot, whites;
  do
  ::
#ifdef COUNT_BEFORE_CUTOFF
    covered = ever_used;
    cutoff = tail;
#elif defined(CUTOFF_AFTER_SCAN) || defined(CUTOFF_IS_HIGHEST_FLAG)
    covered = ever_used;
#else
    cutoff = tail;
    covered = ever_used;
#endif
    whites = INFINITY;
#ifdef EMPTY_SLOT_SKIPPED
    boundary = (covered > 0 -> INFINITY : cutoff);
#else
    boundary = (covered == SLOTS -> INFINITY : cutoff);
#endif
    do
    :: slot < covered -> look(slot)
    :: else -> break
    od;
#ifdef CUTOFF_AFTER_SCAN
    cutoff = tail;
    boundary = LEAST(boundary, MOST(cutoff, whites));
#elif defined(CUTOFF_IS_HIGHEST_FLAG)
    boundary = LEAST(boundary, cutoff);
#else
    skip; /* a loop's end may not lead into a d_step */
#endif
    d_step {
      boundary = MOST(boundary, found);
      drain(boundary);
      cutoff = 0;
      covered = 0;
      boundary = 0;
      slot = 0;
      whites = 0
    }
  od
}

init {
  atomic {
#if LATE > 0
    attach_early();
#endif
    for (i : 0 .. SLOTS - 1) {
      lsn[i] = START;
      last_end[i] = START
    }
    for (i : 0 .. WORKERS - 1) {
      run worker(i)
    }
    run drainer()
  }
}
