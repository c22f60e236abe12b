/* A process works and is killed, over and over. What it was told is committed is there, what ran is not. */
#include <signal.h>

#include "expect.h"

enum { ROUNDS = 8, WRITERS = 3, KEYS = 64 };

/* What a writer has been told, on its way through a pipe to the process that survives. */
struct Promise {
  int64_t key, number; /* number -1: deleted */
};

static int tables[2];
static int promises; /* the pipe's end that is written */
static int64_t first_number;
static int64_t last[WRITERS * KEYS]; /* what was promised last of each key */

static void promise(int64_t key, int64_t number) {
  const struct Promise made = {key, number};
  if (write(promises, &made, sizeof made) != (ssize_t)sizeof made) exit(1);
}

/* The key's record in both tables is the same number, but inside of a transaction. */
static void change_both(int64_t key, int64_t number) {
  const int trx = trx_begin();
  EXPECT(trx > 0);
  for (int i = 0; i < 2; ++i) EXPECT(update_number(tables[i], key, number, trx) == 0);
  if (number % 5 == 0) {
    EXPECT(trx_abort(trx) == trx);
    return;
  }
  EXPECT(trx_commit(trx) == trx);
  promise(key, number);
}

/* Keys of its own, so that no writer waits: in [0, KEYS / 2) records that change, above them some that come and go. */
static void* work(void* context) {
  const int64_t first_key = *(int64_t*)context * KEYS;
  for (int64_t i = 0;; ++i) {
    const int64_t number = first_number + i;
    change_both(first_key + i % (KEYS / 2), number);
    const int64_t other = first_key + KEYS / 2 + i % (KEYS / 2);
    if (committed(tables[0], other) == -1) {
      insert_number(tables[0], other, number);
      promise(other, number);
    } else {
      EXPECT(db_delete(tables[0], other) == 0);
      promise(other, -1);
    }
  }
  return NULL;
}

static void open_tables(void) {
  EXPECT(init_db(500, 0, 0, "logs", "message.txt") == 0);
  tables[0] = open_table("first");
  tables[1] = open_table("second");
  EXPECT(tables[0] > 0 && tables[1] > 0);
}

static void run_until_killed(void) {
  open_tables();
  const int open = trx_begin(); /* never committed */
  for (int64_t writer = 0; writer < WRITERS; ++writer) {
    for (int i = 0; i < 2; ++i) EXPECT(update_number(tables[i], WRITERS * KEYS + writer, -7, open) == 0);
  }
  pthread_t threads[WRITERS];
  int64_t numbers[WRITERS];
  for (int i = 0; i < WRITERS; ++i) {
    numbers[i] = i;
    EXPECT(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
  }
  for (int i = 0; i < WRITERS; ++i) pthread_join(threads[i], NULL);
}

/* Runs a process until it has made so many promises, kills it, and takes over what it promised last of each key. */
static void crash(int64_t round) {
  int ends[2];
  EXPECT(pipe(ends) == 0);
  first_number = (round + 1) * 1000000;
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    close(ends[0]);
    promises = ends[1];
    run_until_killed();
    _exit(1);
  }
  close(ends[1]);
  struct Promise made;
  for (int64_t count = 0; read(ends[0], &made, sizeof made) == (ssize_t)sizeof made; ++count) {
    last[made.key] = made.number;
    if (count == 20 + 37 * round) EXPECT(kill(child, SIGKILL) == 0);
  }
  close(ends[0]);
  int status;
  EXPECT(waitpid(child, &status, 0) == child);
  EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A change of which the process was not told any more may be there, as a whole. */
static void check(void) {
  for (int64_t key = 0; key < WRITERS * KEYS; ++key) {
    const int64_t found = committed(tables[0], key);
    if (key % KEYS < KEYS / 2) {
      EXPECT(found >= last[key] && found % 5 != 0);
      EXPECT(committed(tables[1], key) == found);
    } else if (found != last[key]) {
      EXPECT(found == -1 || found > last[key]);
    }
  }
  for (int64_t writer = 0; writer < WRITERS; ++writer) {
    for (int i = 0; i < 2; ++i) EXPECT(committed(tables[i], WRITERS * KEYS + writer) == 1);
  }
}

static void recover_and_check(void) {
  open_tables();
  const long losers = number_behind("message.txt", "losers");
  EXPECT(losers >= 1 && losers <= WRITERS + 1);
  check();
}

static void insert_all(void) {
  open_tables();
  for (int64_t writer = 0; writer <= WRITERS; ++writer) {
    for (int64_t key = 0; key < KEYS / 2; ++key) {
      for (int i = 0; i < 2; ++i) insert_number(tables[i], writer * KEYS + key, 1);
    }
  }
}

int main(void) {
  enter_scratch();
  in_a_process(insert_all);
  for (int64_t key = 0; key < WRITERS * KEYS; ++key) last[key] = key % KEYS < KEYS / 2 ? 1 : -1;

  for (int64_t round = 0; round < ROUNDS; ++round) {
    crash(round);
    in_a_process(recover_and_check); /* and another crash, right after recovery */
    for (int64_t key = 0; key < WRITERS * KEYS; ++key) {
      if (key % KEYS >= KEYS / 2) last[key] = -2; /* may have come or gone unheard */
    }
  }
  open_tables();
  check();
  EXPECT(shutdown_db() == 0);
  leave_scratch();
  return 0;
}
