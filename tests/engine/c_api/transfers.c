/* Threads move money between accounts of two tables; others add all up. The sum is always the same, before and after a
   restart. */
#include "expect.h"

enum { ACCOUNTS = 100, MOVERS = 4, READERS = 1, TRANSFERS = 100, START = 1000 };

static int tables[2];
static int wrong_sums, victims, moved; /* under mutex */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void count(int* what) {
  pthread_mutex_lock(&mutex);
  ++*what;
  pthread_mutex_unlock(&mutex);
}

static int add(int account, int64_t amount, int trx) {
  char value[MUSTER_VALUE_BYTES];
  const int table = tables[account % 2];
  const int result = db_find(table, account, value, trx);
  return result != 0 ? result : update_number(table, account, number_in(value) + amount, trx);
}

/* Whether it was done. Only a deadlock's victim is not, and then it has been rolled back. */
static int transfer(int from, int to, int64_t amount) {
  const int trx = trx_begin();
  EXPECT(trx > 0);
  int result = add(from, -amount, trx);
  if (result == 0) result = add(to, amount, trx);
  if (result != 0) {
    EXPECT(result == MUSTER_DEADLOCK);
    EXPECT(trx_commit(trx) == 0); /* its id has ended */
    count(&victims);
    return 0;
  }
  if (amount == 13) {
    EXPECT(trx_abort(trx) == trx);
    return 1;
  }
  EXPECT(trx_commit(trx) == trx);
  count(&moved);
  return 1;
}

static void* move_money(void* seed) {
  unsigned random = *(unsigned*)seed;
  for (int i = 0; i < TRANSFERS; ++i) {
    const int from = (int)(rand_r(&random) % ACCOUNTS);
    const int to = (from + 1 + (int)(rand_r(&random) % (ACCOUNTS - 1))) % ACCOUNTS;
    while (!transfer(from, to, rand_r(&random) % 20)) {}
  }
  return NULL;
}

/* All accounts as one transaction sees them; -1: it was a deadlock's victim. */
static int64_t sum(void) {
  char value[MUSTER_VALUE_BYTES];
  int64_t total = 0;
  const int trx = trx_begin();
  EXPECT(trx > 0);
  for (int account = 0; account < ACCOUNTS; ++account) {
    const int result = db_find(tables[account % 2], account, value, trx);
    if (result == MUSTER_DEADLOCK) return -1;
    EXPECT(result == 0);
    total += number_in(value);
  }
  EXPECT(trx_commit(trx) == trx);
  return total;
}

static void* add_up(void* unused) {
  for (int i = 0; i < 20; ++i) {
    const int64_t total = sum();
    if (total != -1 && total != (int64_t)ACCOUNTS * START) count(&wrong_sums);
  }
  return unused;
}

static void open_tables(void) {
  tables[0] = open_table("even");
  tables[1] = open_table("odd");
  EXPECT(tables[0] > 0 && tables[1] > 0);
}

int main(void) {
  enter_scratch();
  EXPECT(init_db(500, 0, 0, "logs", "message.txt") == 0);
  open_tables();
  for (int account = 0; account < ACCOUNTS; ++account) insert_number(tables[account % 2], account, START);

  pthread_t threads[MOVERS + READERS];
  unsigned seeds[MOVERS];
  for (unsigned i = 0; i < MOVERS; ++i) {
    seeds[i] = i + 1;
    EXPECT(pthread_create(&threads[i], NULL, move_money, &seeds[i]) == 0);
  }
  for (int i = MOVERS; i < MOVERS + READERS; ++i)
    EXPECT(pthread_create(&threads[i], NULL, add_up, NULL) == 0);
  for (int i = 0; i < MOVERS + READERS; ++i) EXPECT(pthread_join(threads[i], NULL) == 0);
  EXPECT(wrong_sums == 0);
  EXPECT(sum() == (int64_t)ACCOUNTS * START);
  printf("%d transfers, %d victims of deadlocks\n", moved, victims);

  EXPECT(shutdown_db() == 0);
  EXPECT(init_db(500, 0, 0, "logs", "message.txt") == 0);
  open_tables();
  EXPECT(sum() == (int64_t)ACCOUNTS * START);
  EXPECT(shutdown_db() == 0);
  leave_scratch();
  return 0;
}
