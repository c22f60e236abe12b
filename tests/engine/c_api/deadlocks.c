/* Transactions that wait for each other: one is the victim and is rolled back, the others go on. */
#include "expect.h"

enum { THREADS = 5 };

static int table;
static pthread_barrier_t all_hold_one;

struct Part {
  pthread_t thread;
  int number, result;
};

/* Each thread updates its own record, waits for all, and then wants its neighbour's. */
static void* want_two(void* context) {
  struct Part* part = context;
  const int trx = trx_begin();
  EXPECT(update_number(table, part->number, 100 + part->number, trx) == 0);
  pthread_barrier_wait(&all_hold_one);
  part->result = update_number(table, (part->number + 1) % THREADS, 200 + part->number, trx);
  if (part->result == 0) {
    EXPECT(trx_commit(trx) == trx);
  } else {
    EXPECT(part->result == MUSTER_DEADLOCK);
    EXPECT(strstr(muster_last_error(), "deadlock") != NULL);
    EXPECT(trx_abort(trx) == 0); /* it has ended */
  }
  return NULL;
}

static void check_cycle(void) {
  struct Part parts[THREADS];
  EXPECT(pthread_barrier_init(&all_hold_one, NULL, THREADS) == 0);
  for (int i = 0; i < THREADS; ++i) {
    parts[i].number = i;
    EXPECT(pthread_create(&parts[i].thread, NULL, want_two, &parts[i]) == 0);
  }
  int victim = -1;
  for (int i = 0; i < THREADS; ++i) EXPECT(pthread_join(parts[i].thread, NULL) == 0);
  for (int i = 0; i < THREADS; ++i) {
    if (parts[i].result == 0) continue;
    EXPECT(victim == -1);
    victim = i;
  }
  EXPECT(victim != -1);
  /* The one before the victim in the circle commits first, then the one before that, and so on, and each has overwritten
     its neighbour's record. The victim's neighbour keeps what it wrote itself. */
  for (int i = 0; i < THREADS; ++i) {
    const int before = (i + THREADS - 1) % THREADS;
    const int64_t found = committed(table, i);
    EXPECT(found == (before == victim ? 100 + i : 200 + before));
  }
  EXPECT(pthread_barrier_destroy(&all_hold_one) == 0);
}

/* Two that have read a record both want to write it. */
static void* read_then_write(void* context) {
  struct Part* part = context;
  char value[MUSTER_VALUE_BYTES];
  const int trx = trx_begin();
  EXPECT(db_find(table, 50, value, trx) == 0);
  pthread_barrier_wait(&all_hold_one);
  part->result = update_number(table, 50, number_in(value) + 1, trx);
  EXPECT(part->result == 0 || part->result == MUSTER_DEADLOCK);
  EXPECT(trx_commit(trx) == (part->result == 0 ? trx : 0));
  return NULL;
}

static void check_upgrade(void) {
  struct Part parts[2];
  const int64_t before = committed(table, 50);
  EXPECT(pthread_barrier_init(&all_hold_one, NULL, 2) == 0);
  for (int i = 0; i < 2; ++i) EXPECT(pthread_create(&parts[i].thread, NULL, read_then_write, &parts[i]) == 0);
  for (int i = 0; i < 2; ++i) EXPECT(pthread_join(parts[i].thread, NULL) == 0);
  EXPECT((parts[0].result == 0) != (parts[1].result == 0));
  EXPECT(committed(table, 50) == before + 1);
  EXPECT(pthread_barrier_destroy(&all_hold_one) == 0);
}

int main(void) {
  enter_scratch();
  EXPECT(init_db(500, 0, 0, "logs", "message.txt") == 0);
  table = open_table("records");
  EXPECT(table > 0);
  for (int i = 0; i < THREADS; ++i) insert_number(table, i, i);
  insert_number(table, 50, 0);
  for (int round = 0; round < 20; ++round) {
    check_cycle();
    check_upgrade();
  }
  EXPECT(shutdown_db() == 0);
  leave_scratch();
  return 0;
}
