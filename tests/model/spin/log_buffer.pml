/* What both models share: the log's space, who takes it, and what has to hold whenever the drainer has found a
 * boundary. Names and steps are those of log_buffer.h, parts/ring.h and parts/workers.h in algorithms/. A step of the
 * model is one atomic access there; what a thread does alone is part of the access before it, or local.
 *
 * So are, since it makes no difference to anybody:
 *   copying        part of the access that found room: an assertion holds that nobody else has to do with the bytes
 *   the boundary   stored together with `recycled`: no worker reads it
 * Left out: Ring::KnownRoom and the list's head_filled_ (a look that they save would have found what they say), the
 * mutex of attach and detach (one access under it is seen outside), the chunks of a list.
 */
#ifndef WORKERS
#define WORKERS 2 /* threads */
#endif
#ifndef SLOTS
#define SLOTS WORKERS /* max_workers */
#endif
#ifndef LATE
#define LATE 0 /* this many of the workers attach while the others are at work already */
#endif
#ifndef RECORDS
#define RECORDS 2 /* each; any worker may stop after fewer and idle for ever */
#endif
#ifndef SIZE_MIN
#define SIZE_MIN 1
#endif
#ifndef SIZE_MAX
#define SIZE_MAX 3
#endif
#ifndef CAPACITY
#define CAPACITY 4
#endif
#ifndef START
#define START 0
#endif

#define INFINITY 255
#define LEAST(a, b) ((a) < (b) -> (a) : (b))
#define MOST(a, b) ((a) > (b) -> (a) : (b))

byte tail = START;
byte recycled = START;
byte found = START; /* the boundary that advance() last returned */
#if LATE > 0
byte ever_used = WORKERS - LATE;
byte attached = WORKERS - LATE;
bool taken[SLOTS];
#else
#define ever_used WORKERS
#endif
byte ring[CAPACITY]; /* what stands in each byte: 1 + the LSN that it was written for, 0 at first */

/* The reservations that are taken and not yet published, one a slot. */
bool open[SLOTS];
byte begin[SLOTS];
byte end[SLOTS];

byte watched; /* end of the published record that the liveness claim follows; 0: none yet */

hidden byte i; /* counts within one step; no step ends with a loop, which Spin forbids */

#if LATE > 0
inline attach(slot) {
  d_step {
    attached < SLOTS;
    attached++;
    slot = 0;
    do
    :: taken[slot] -> slot++
    :: else -> break
    od;
    taken[slot] = true;
    ever_used = MOST(ever_used, slot + 1)
  }
}

inline detach(slot) {
  d_step {
    taken[slot] = false;
    attached--
  }
}

inline attach_early() {
  for (i : 0 .. WORKERS - LATE - 1) {
    taken[i] = true
  }
}
#endif

/* tail.fetch_add(size) */
inline take(slot, size) {
  begin[slot] = tail;
  end[slot] = tail + size;
  tail = tail + size;
  open[slot] = true
}

inline take_any_size(slot) {
  if
#if SIZE_MIN <= 1
  :: d_step { take(slot, 1) }
#endif
#if SIZE_MIN <= 2 && SIZE_MAX >= 2
  :: d_step { take(slot, 2) }
#endif
#if SIZE_MAX >= 3
  :: d_step { take(slot, 3) }
#endif
  fi
}

#define has_room(slot) (end[slot] <= recycled + CAPACITY)

inline copy(slot) {
  assert(has_room(slot)); /* no overwrite */
  for (i : begin[slot] .. end[slot] - 1) {
    ring[i % CAPACITY] = i + 1
  }
  i = 0
}

/* The worker forgets its record: states that differ in it alone are one. */
inline forget(slot) {
  begin[slot] = 0;
  end[slot] = 0
}

/* The end of advance(), and recycle() of all that it found. */
inline drain(boundary) {
  assert(boundary >= found); /* never falls */
  assert(boundary <= tail);
  for (i : 0 .. SLOTS - 1) {
    assert(!open[i] || boundary <= begin[i]) /* no hole */
  }
  for (i : recycled .. boundary) {
    assert(i == boundary || ring[i % CAPACITY] == i + 1) /* the bytes are those that were written for it */
  }
  found = boundary;
  recycled = boundary
}

ltl passed { [] (watched > 0 -> <> (found >= watched)) }
