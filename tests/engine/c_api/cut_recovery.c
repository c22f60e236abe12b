/* Restarts that break off in the middle of redo or undo, as a process that died there; the next one recovers in full. */
#include "expect.h"

enum { RECORDS = 30, LOSERS = 3, EACH = 8 };

static int table;

static int open_database(int flag, int log_num) {
  return init_db(100, flag, log_num, "logs", "message.txt");
}

/* Committed changes in the log, and transactions that were cut off. */
static void crash_at_work(void) {
  EXPECT(open_database(0, 0) == 0);
  table = open_table("records");
  for (int64_t key = 0; key < RECORDS; ++key) {
    if (committed(table, key) == -1) insert_number(table, key, 0);
  }
  const int winner = trx_begin();
  for (int64_t key = 0; key < RECORDS; ++key) EXPECT(update_number(table, key, key, winner) == 0);
  EXPECT(trx_commit(winner) == winner);
  for (int64_t loser = 0; loser < LOSERS; ++loser) {
    const int trx = trx_begin();
    for (int64_t key = 0; key < EACH; ++key) EXPECT(update_number(table, loser * EACH + key, -5, trx) == 0);
  }
  const int last = trx_begin(); /* its commit forces the log */
  EXPECT(update_number(table, RECORDS - 1, RECORDS - 1, last) == 0);
  EXPECT(trx_commit(last) == last);
}

static void expect_nothing_works(void) {
  char value[MUSTER_VALUE_BYTES] = "";
  EXPECT(open_table("records") == MUSTER_FAILED);
  EXPECT(strstr(muster_last_error(), "broken off") != NULL);
  EXPECT(close_table(table) == MUSTER_FAILED);
  EXPECT(db_insert(1, 1000, value) == MUSTER_FAILED);
  EXPECT(db_delete(1, 1) == MUSTER_FAILED);
  EXPECT(trx_begin() == 0);
  EXPECT(db_find(1, 1, value, 1) == MUSTER_FAILED);
  EXPECT(db_update(1, 1, value, 1) == MUSTER_FAILED);
  EXPECT(trx_commit(1) == 0);
  EXPECT(trx_abort(1) == 0);
}

static void expect_all_recovered(void) {
  EXPECT(open_database(0, 0) == 0);
  table = open_table("records");
  for (int64_t key = 0; key < RECORDS; ++key) EXPECT(committed(table, key) == key);
  insert_number(table, 1000, 1);
  EXPECT(db_delete(table, 1000) == 0);
}

static int flag, log_num;

static void cut(void) {
  EXPECT(open_database(flag, log_num) == 0);
  const int all = flag == 2 ? LOSERS * EACH : 0; /* of redo's records, some more than these */
  const long records = number_behind("message.txt", "as asked, after ");
  EXPECT(file_says("message.txt", flag == 1 ? "broken off in redo" : "broken off in undo"));
  EXPECT(number_behind("message.txt", "losers") == LOSERS);
  EXPECT(records == log_num || (records < log_num && records >= all));
  expect_nothing_works();
}

static void cut_and_recover_at_once(void) {
  cut();
  expect_all_recovered();
}

static void cut_shut_down_and_recover(void) {
  cut();
  EXPECT(shutdown_db() == 0);
  EXPECT(trx_begin() == 0);
  expect_all_recovered();
  EXPECT(shutdown_db() == 0);
}

/* Each time in another phase. */
static void cut_twice_more(void) {
  cut();
  flag = 3 - flag;
  EXPECT(open_database(flag, log_num) == 0);
  expect_nothing_works();
  flag = 3 - flag;
  cut();
}

int main(void) {
  enter_scratch();
  const int counts[] = {0, 1000000, 7};
  for (flag = 1; flag <= 2; ++flag) {
    for (int i = 0; i < 3; ++i) {
      log_num = counts[i];
      in_a_process(crash_at_work);
      in_a_process(cut);
      in_a_process(expect_all_recovered);
      in_a_process(crash_at_work);
      in_a_process(cut_and_recover_at_once);
    }
    in_a_process(crash_at_work);
    in_a_process(cut_shut_down_and_recover);
    in_a_process(crash_at_work);
    in_a_process(cut_twice_more);
    in_a_process(expect_all_recovered);
  }
  /* A database with nothing to do is not opened either. */
  EXPECT(open_database(1, 5) == 0);
  expect_nothing_works();
  EXPECT(shutdown_db() == 0);
  leave_scratch();
  return 0;
}
