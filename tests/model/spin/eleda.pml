/* algorithms/eleda.h, step by step. Parameters: those of log_buffer.pml, and RANGE. The mutants and the one variant
 * (CRAWL_ONLY: safe, but slower when the boundary is far behind) are where they differ.
 *
 * A worker is its own slot here: what one owner of a slot leaves to the next is the list that the latter goes on with.
 */
#ifndef RANGE
#define RANGE 2 /* bytes that one hop skips, 2^H */
#endif
#include "log_buffer.pml"

#define NOBODY 255
#ifdef ONE_LAP_OF_COUNTERS
#define LAP CAPACITY
#else
#define LAP (2 * CAPACITY)
#endif
#define end_of_range(at) (((at) / RANGE + 1) * RANGE)
#define counter_of(at) (((at) % LAP) / RANGE)
#define full(at) (((at) / LAP + 1) * RANGE)

byte count[LAP / RANGE];

/* Lists between one worker and the drainer. A crawling one holds records, a hopping one the places of those that are
 * their worker's first in a range. What has been read is zero: states that differ in it alone are one. */
typedef Crawling {
  byte filled;
  byte read; /* the drainer's */
  byte begin[RECORDS];
  byte end[RECORDS]
}
typedef Hopping {
  byte filled;
  byte read; /* the drainer's */
  byte begin[RECORDS];
  byte place[RECORDS]
}
Crawling crawling[WORKERS];
Hopping hopping[WORKERS];

typedef Head {
  byte begin;
  byte end
}

inline push_crawling(slot) {
  crawling[slot].begin[crawling[slot].filled] = begin[slot];
  crawling[slot].end[crawling[slot].filled] = end[slot];
  crawling[slot].filled++;
  opens_range = begin[slot] >= next_range;
  open[slot] = false
}

/* From here on the drainer may find the record. */
inline publish(slot) {
  if
  :: d_step { push_crawling(slot) }
#ifdef LIVENESS
  :: d_step { watched == 0 -> watched = end[slot]; push_crawling(slot) }
#endif
  fi;
  if
  :: opens_range ->
    d_step {
      hopping[slot].begin[hopping[slot].filled] = begin[slot];
      hopping[slot].place[hopping[slot].filled] = crawling[slot].filled - 1;
      hopping[slot].filled++;
      next_range = end_of_range(begin[slot])
    }
  :: else
  fi
}

#ifdef COUNTERS_NOT_SPLIT
#define end_of_part(from, end) (end)
#else
#define end_of_part(from, end) LEAST(end, end_of_range(from))
#endif

inline add_to_counters(slot) {
  from = 0;
  do
  :: d_step {
      from = (from == 0 -> begin[slot] : from);
      count[counter_of(from)] = count[counter_of(from)] + end_of_part(from, end[slot]) - from;
      from = end_of_part(from, end[slot]);
      if
      :: from == end[slot] ->
        from = 0;
#if !defined(COUNTED_BEFORE_LISTED) && !defined(PUBLISHED_BEFORE_COPIED)
        forget(slot)
#endif
      :: else
      fi
    };
    if
    :: from == 0 -> break
    :: else
    fi
  od
}

proctype worker(byte slot) {
  byte left = RECORDS, next_range, from;
  bool opens_range;
#if LATE > 0
  if
  :: slot >= WORKERS - LATE -> attach(slot)
  :: else
  fi;
#endif
  do
  :: left > 0 ->
    left--;
    take_any_size(slot);
#ifndef PUBLISHED_BEFORE_COPIED
    d_step { has_room(slot) -> copy(slot) }; /* the wait */
#endif
#ifdef COUNTED_BEFORE_LISTED
    add_to_counters(slot);
    publish(slot);
#else
    publish(slot);
    add_to_counters(slot);
#endif
#ifdef PUBLISHED_BEFORE_COPIED
    skip; /* a loop's end may not lead into a d_step */
    d_step { has_room(slot) -> copy(slot) }
#endif
  :: break /* idle for ever, attached */
  od
}

/* As far as full counters lead; hopped: whether there was one. */
inline hop() {
  do
  :: d_step {
      end_of_range(boundary) <= limit && count[counter_of(boundary)] == full(boundary) ->
        boundary = end_of_range(boundary);
        hopped = true
    }
  :: else -> break
  od
}

#define front(queue) queue[slot].read
#define filled(queue) (queue[slot].read < queue[slot].filled)

inline pop_crawling() {
  crawling[slot].begin[front(crawling)] = 0;
  crawling[slot].end[front(crawling)] = 0;
  crawling[slot].read++
}

inline pop_hopping() {
  hopping[slot].begin[front(hopping)] = 0;
  hopping[slot].place[front(hopping)] = 0;
  hopping[slot].read++
}

inline drop_until(upto) {
  do
  :: crawling[slot].read + 1 < upto ->
    assert(crawling[slot].end[front(crawling)] <= boundary);
    pop_crawling()
  :: else -> break
  od
}

/* Forgets the heads, and of every crawling list what stands before the last record to begin below the edge. */
inline drop_below() {
  slot = 0;
  do
  :: slot < WORKERS ->
    heads[slot].begin = 0;
    heads[slot].end = 0;
    slot++
  :: else -> break
  od;
  slot = 0;
  do
  :: slot < ever_used ->
    do
    :: d_step {
        filled(hopping) && hopping[slot].begin[front(hopping)] < end_of_range(boundary) ->
          drop_until(hopping[slot].place[front(hopping)]);
          pop_hopping()
      }
    :: else -> break
    od;
    slot++
  :: else -> break
  od
}

inline push_head() {
  do
  :: d_step { filled(crawling) && crawling[slot].end[front(crawling)] <= boundary -> pop_crawling() }
  :: d_step {
      filled(crawling) && crawling[slot].end[front(crawling)] > boundary ->
        heads[slot].begin = crawling[slot].begin[front(crawling)];
        heads[slot].end = crawling[slot].end[front(crawling)]
    };
    break
  :: else -> break
  od
}

#ifdef CRAWL_FROM_EQUAL_BEGIN
#define goes_on(begin) (begin == boundary)
#else
#define goes_on(begin) (begin <= boundary)
#endif

/* slot = whose head is the least, if the boundary can go on with it; then it leaves the heap, and the boundary is its
 * end. Else NOBODY. */
inline pop_head() {
  slot = NOBODY;
  k = 0;
  do
  :: k < WORKERS ->
    if
    :: heads[k].end > 0 && (slot == NOBODY || heads[k].begin < heads[slot].begin) -> slot = k
    :: else
    fi;
    k++
  :: else -> break
  od;
  k = 0;
  if
  :: slot == NOBODY
  :: slot != NOBODY && boundary < limit && goes_on(heads[slot].begin) ->
    boundary = MOST(boundary, heads[slot].end);
    heads[slot].begin = 0;
    heads[slot].end = 0
  :: else -> slot = NOBODY
  fi
}

inline crawl() {
  slot = 0;
  do
  :: slot < ever_used ->
    if
    :: heads[slot].end == 0 -> push_head()
    :: else
    fi;
    slot++
  :: else -> break
  od;
  do
  :: pop_head();
    if
    :: slot != NOBODY -> push_head()
    :: else -> break
    fi
  od
}

/* No boundary lies inside a record. */
inline at_an_end(boundary) {
  for (i : 0 .. WORKERS * RECORDS - 1) {
    assert(!(crawling[i / RECORDS].begin[i % RECORDS] < boundary && boundary < crawling[i / RECORDS].end[i % RECORDS]))
  }
}

proctype drainer() {
  byte limit, boundary, slot, k;
  bool hopped;
  Head heads[WORKERS]; /* the heap; end = 0: this worker has none on it. The record stays in its list meanwhile. */
  do
  :: d_step {
      limit = tail;
      boundary = found
    };
#ifndef CRAWL_ONLY
    hop();
#endif
    if
    :: hopped -> drop_below()
    :: else
    fi;
#ifndef HOP_ONLY
    crawl();
#endif
    skip; /* a loop's end may not lead into a d_step */
    d_step {
#ifndef HOP_ONLY
      at_an_end(boundary);
#endif
      drain(boundary);
      limit = 0;
      boundary = 0;
      slot = 0;
      hopped = false
    }
  od
}

/* As if all below START had been published: what the range's counter came to when it was last full, and the rest. */
inline set_counter(range) {
  count[counter_of(range)] = full(range) - RANGE + (START < range -> 0 : LEAST(START - range, RANGE))
}

init {
  atomic {
#if LATE > 0
    attach_early();
#endif
    for (i : 0 .. LAP / RANGE - 1) {
      set_counter((START / LAP * LAP + i * RANGE))
    }
    for (i : 0 .. WORKERS - 1) {
      run worker(i)
    }
    run drainer()
  }
}
