/* One thread: tables, records of exactly 120 bytes, transactions, and what is left after closing. */
#include "expect.h"

static void check_records(int table) {
  char value[MUSTER_VALUE_BYTES + 2], read[MUSTER_VALUE_BYTES + 2];
  const int64_t keys[] = {0, 1, -1, INT64_MAX, INT64_MIN, 1000};
  for (int i = 0; i < 6; ++i) {
    memset(value, 'a' + i, sizeof value);
    value[7] = '\0'; /* values are no strings */
    EXPECT(db_insert(table, keys[i], value) == 0);
    EXPECT(db_insert(table, keys[i], value) == MUSTER_EXISTS);
  }
  const int trx = trx_begin();
  EXPECT(trx > 0);
  for (int i = 0; i < 6; ++i) {
    memset(value, 'a' + i, sizeof value);
    value[7] = '\0';
    memset(read, '.', sizeof read);
    EXPECT(db_find(table, keys[i], read + 1, trx) == 0);
    EXPECT(read[0] == '.' && read[MUSTER_VALUE_BYTES + 1] == '.');
    EXPECT(memcmp(read + 1, value, MUSTER_VALUE_BYTES) == 0);
  }
  EXPECT(db_find(table, 2, read, trx) == MUSTER_NOT_FOUND);
  EXPECT(db_update(table, 2, value, trx) == MUSTER_NOT_FOUND);
  EXPECT(trx_commit(trx) == trx);
  for (int i = 0; i < 6; ++i) EXPECT(db_delete(table, keys[i]) == 0);
  EXPECT(db_delete(table, keys[0]) == MUSTER_NOT_FOUND);
}

static void check_transactions(int table) {
  char value[MUSTER_VALUE_BYTES];
  insert_number(table, 7, 1);
  const int aborted = trx_begin();
  EXPECT(update_number(table, 7, 2, aborted) == 0);
  EXPECT(db_find(table, 7, value, aborted) == 0 && number_in(value) == 2);
  EXPECT(update_number(table, 7, 3, aborted) == 0);
  EXPECT(trx_abort(aborted) == aborted);
  EXPECT(committed(table, 7) == 1);

  const int committed_one = trx_begin();
  EXPECT(committed_one > 0 && committed_one != aborted);
  EXPECT(update_number(table, 7, 4, committed_one) == 0);
  EXPECT(trx_commit(committed_one) == committed_one);
  EXPECT(committed(table, 7) == 4);
}

/* An insertion or a deletion does not wait for a transaction. */
static void check_locks(int table) {
  char value[MUSTER_VALUE_BYTES];
  insert_number(table, 8, 1);
  const int reader = trx_begin();
  EXPECT(db_find(table, 8, value, reader) == 0);
  EXPECT(db_find(table, 9, value, reader) == MUSTER_NOT_FOUND);
  EXPECT(db_delete(table, 8) == MUSTER_LOCKED);
  EXPECT(db_insert(table, 9, value) == MUSTER_LOCKED);
  EXPECT(trx_commit(reader) == reader);
  EXPECT(db_delete(table, 8) == 0);

  const int writer = trx_begin();
  EXPECT(update_number(table, 7, 9, writer) == 0);
  EXPECT(db_delete(table, 7) == MUSTER_LOCKED);
  EXPECT(trx_abort(writer) == writer);
  EXPECT(committed(table, 7) == 4);
}

int main(void) {
  enter_scratch();
  EXPECT(init_db(1, 0, 0, "logs/deep", "logs/deep/message.txt") == 0); /* too few pages: raised */
  EXPECT(file_says("logs/deep/message.txt", "nothing to recover"));
  const int a = open_table("DATA1");
  const int b = open_table("DATA2");
  EXPECT(a > 0 && b > 0 && a != b);
  EXPECT(open_table("./DATA1") == a); /* a table that is open: its id */
  check_records(a);
  check_transactions(a);
  check_locks(a);
  EXPECT(committed(b, 7) == -1);

  char value[MUSTER_VALUE_BYTES];
  EXPECT(close_table(a) == 0);
  EXPECT(db_insert(a, 1, value) == MUSTER_FAILED);
  EXPECT(close_table(a) == MUSTER_FAILED);
  EXPECT(open_table("DATA1") == a);
  EXPECT(committed(a, 7) == 4);
  for (int64_t key = 1000; key < 1400; ++key) insert_number(b, key, key);

  const int open = trx_begin(); /* what runs is rolled back */
  EXPECT(update_number(a, 7, 5, open) == 0);
  EXPECT(shutdown_db() == 0);
  EXPECT(access("logs/deep/master", F_OK) == 0 && access("logs/deep/catalogue", F_OK) == 0);

  EXPECT(mkdir("elsewhere", 0777) == 0 && chdir("elsewhere") == 0); /* paths are stored as absolute ones */
  EXPECT(init_db(100000, 0, 0, "../logs/deep", "message.txt") == 0);
  EXPECT(file_says("message.txt", "nothing to recover"));
  EXPECT(db_insert(a, 1, value) == MUSTER_FAILED); /* not opened yet */
  EXPECT(open_table("../DATA2") == b && open_table("../DATA1") == a);
  EXPECT(trx_commit(open) == 0);
  EXPECT(committed(a, 7) == 4);
  for (int64_t key = 1000; key < 1400; ++key) EXPECT(committed(b, key) == key);
  EXPECT(shutdown_db() == 0);
  EXPECT(chdir("..") == 0);
  leave_scratch();
  return 0;
}
