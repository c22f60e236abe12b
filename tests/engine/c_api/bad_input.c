/* What a program may do wrong: every call says so, nothing hangs, nothing is harmed. */
#include <limits.h>

#include "expect.h"

/* A call fails, and its error begins with its name. */
#define EXPECT_REFUSED(call, result, name)                                  \
  do {                                                                      \
    EXPECT((call) == (result));                                             \
    EXPECT(strncmp(muster_last_error(), name ": ", strlen(name) + 2) == 0); \
  } while (0)

static char value[MUSTER_VALUE_BYTES];

static void expect_closed(void) {
  EXPECT_REFUSED(shutdown_db(), MUSTER_FAILED, "shutdown_db");
  EXPECT_REFUSED(open_table("t"), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(close_table(1), MUSTER_FAILED, "close_table");
  EXPECT_REFUSED(db_insert(1, 1, value), MUSTER_FAILED, "db_insert");
  EXPECT_REFUSED(db_delete(1, 1), MUSTER_FAILED, "db_delete");
  EXPECT_REFUSED(db_find(1, 1, value, 1), MUSTER_FAILED, "db_find");
  EXPECT_REFUSED(db_update(1, 1, value, 1), MUSTER_FAILED, "db_update");
  EXPECT_REFUSED(trx_begin(), 0, "trx_begin");
  EXPECT_REFUSED(trx_commit(1), 0, "trx_commit");
  EXPECT_REFUSED(trx_abort(1), 0, "trx_abort");
}

static void check_init(void) {
  FILE* file = fopen("file", "w");
  EXPECT(file != NULL && fputs("somebody's", file) >= 0 && fclose(file) == 0);
  EXPECT_REFUSED(init_db(100, 0, 0, NULL, "message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", NULL), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, 3, 0, "logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, -1, 0, "logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, 1, -1, "logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(INT_MAX, 0, 0, "logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT(access("logs", F_OK) != 0 && access("message", F_OK) != 0); /* nothing was made */
  EXPECT_REFUSED(init_db(100, 0, 0, "", "message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, 0, 0, "file", "message"), MUSTER_FAILED, "init_db");
  EXPECT(strstr(muster_last_error(), "log_path = file: want a directory") != NULL);
  EXPECT_REFUSED(init_db(100, 0, 0, "file/logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", "no/such/message"), MUSTER_FAILED, "init_db");
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", "logs/master"), MUSTER_FAILED, "init_db");
  expect_closed();
}

static void check_tables(int table) {
  EXPECT_REFUSED(open_table(NULL), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(open_table(""), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(open_table("no/such/table"), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(open_table("logs"), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(open_table("/dev/null"), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(open_table("logs/catalogue"), MUSTER_FAILED, "open_table");
  EXPECT_REFUSED(open_table("file"), MUSTER_FAILED, "open_table");
  EXPECT(file_says("file", "somebody's"));
  EXPECT(open_table("t") == table); /* twice */
  const int wrong[] = {0, -1, table + 1, MUSTER_TABLES_MAX + 1, INT_MAX, INT_MIN};
  for (int i = 0; i < 6; ++i) {
    EXPECT_REFUSED(close_table(wrong[i]), MUSTER_FAILED, "close_table");
    EXPECT_REFUSED(db_insert(wrong[i], 1, value), MUSTER_FAILED, "db_insert");
    EXPECT_REFUSED(db_delete(wrong[i], 1), MUSTER_FAILED, "db_delete");
  }
}

static void check_transactions(int table) {
  const int ended = trx_begin();
  EXPECT(trx_commit(ended) == ended);
  const int running = trx_begin();
  const int wrong[] = {0,       -1,     -running, ended, running + 1, running + MUSTER_TRANSACTIONS_MAX,
                       INT_MAX, INT_MIN};
  for (int i = 0; i < 8; ++i) {
    EXPECT_REFUSED(db_find(table, 1, value, wrong[i]), MUSTER_FAILED, "db_find");
    EXPECT_REFUSED(db_update(table, 1, value, wrong[i]), MUSTER_FAILED, "db_update");
    EXPECT_REFUSED(trx_commit(wrong[i]), 0, "trx_commit");
    EXPECT_REFUSED(trx_abort(wrong[i]), 0, "trx_abort");
  }
  /* A call that is refused does its transaction no harm. */
  EXPECT(update_number(table, 1, 11, running) == 0);
  EXPECT_REFUSED(db_find(table, 1, NULL, running), MUSTER_FAILED, "db_find");
  EXPECT_REFUSED(db_update(table, 1, NULL, running), MUSTER_FAILED, "db_update");
  EXPECT_REFUSED(db_find(table + 1, 1, value, running), MUSTER_FAILED, "db_find");
  EXPECT_REFUSED(db_update(-3, 1, value, running), MUSTER_FAILED, "db_update");
  EXPECT_REFUSED(db_insert(table, 3, NULL), MUSTER_FAILED, "db_insert");
  EXPECT(trx_commit(running) == running);
  EXPECT(committed(table, 1) == 11);
}

static void check_too_many(int table) {
  static int all[MUSTER_TRANSACTIONS_MAX];
  for (int i = 0; i < MUSTER_TRANSACTIONS_MAX; ++i) EXPECT((all[i] = trx_begin()) > 0);
  EXPECT_REFUSED(trx_begin(), 0, "trx_begin");
  EXPECT_REFUSED(db_insert(table, 3, value), MUSTER_FAILED, "db_insert");
  for (int i = 0; i < MUSTER_TRANSACTIONS_MAX; ++i) EXPECT(db_find(table, 1, value, all[i]) == 0);
  for (int i = MUSTER_TRANSACTIONS_MAX; i-- > 0;) EXPECT(trx_commit(all[i]) == all[i]);
  insert_number(table, 3, 3);
}

struct Waiter {
  int table, trx, result;
};

/* A call that meets another one on its transaction is refused, and may come again. */
static void* update_held_record(void* context) {
  struct Waiter* waiter = context;
  do {
    waiter->result = update_number(waiter->table, 1, 22, waiter->trx);
  } while (waiter->result == MUSTER_FAILED && strstr(muster_last_error(), "another call") != NULL);
  return NULL;
}

static void check_two_threads(int table) {
  struct Waiter waiter = {table, trx_begin(), 0};
  const int holder = trx_begin();
  EXPECT(update_number(table, 1, 21, holder) == 0);
  pthread_t thread;
  EXPECT(pthread_create(&thread, NULL, update_held_record, &waiter) == 0);
  while (db_find(table, 2, value, waiter.trx) == 0) {} /* until the thread waits for the record */
  EXPECT(strstr(muster_last_error(), "another call is at work on it") != NULL);
  EXPECT_REFUSED(db_find(table, 2, value, waiter.trx), MUSTER_FAILED, "db_find");
  EXPECT_REFUSED(db_update(table, 2, value, waiter.trx), MUSTER_FAILED, "db_update");
  EXPECT_REFUSED(trx_commit(waiter.trx), 0, "trx_commit");
  EXPECT_REFUSED(trx_abort(waiter.trx), 0, "trx_abort");
  EXPECT_REFUSED(shutdown_db(), MUSTER_FAILED, "shutdown_db");
  EXPECT(trx_commit(holder) == holder);
  EXPECT(pthread_join(thread, NULL) == 0);
  EXPECT(waiter.result == 0);
  EXPECT(trx_commit(waiter.trx) == waiter.trx);
  EXPECT(committed(table, 1) == 22);
}

/* Another process has the database while `work` runs here. */
static void while_open_elsewhere(void (*work)(void)) {
  int opened[2], done[2];
  char byte = 0;
  EXPECT(pipe(opened) == 0 && pipe(done) == 0);
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    EXPECT(init_db(100, 0, 0, "logs", "other message") == 0);
    EXPECT(open_table("t") > 0);
    EXPECT(write(opened[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 1);
    EXPECT(shutdown_db() == 0);
    _exit(0);
  }
  EXPECT(read(opened[0], &byte, 1) == 1);
  work();
  int status;
  EXPECT(write(done[1], &byte, 1) == 1);
  EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void check_open_elsewhere(void) {
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT(init_db(100, 0, 0, "other logs", "message") == 0);
  EXPECT_REFUSED(open_table("t"), MUSTER_FAILED, "open_table");
  EXPECT(shutdown_db() == 0);
}

static void check_missing_file(void) {
  EXPECT(rename("t", "moved") == 0);
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", "message"), MUSTER_FAILED, "init_db");
  EXPECT(strstr(muster_last_error(), "/t is missing") != NULL && strchr(muster_last_error(), '\n') == NULL);
  EXPECT(file_says("message", "/t is missing"));
  expect_closed();
  EXPECT(rename("moved", "t") == 0);
}

int main(void) {
  enter_scratch();
  expect_closed();
  check_init();
  while_open_elsewhere(check_open_elsewhere);

  EXPECT(init_db(-5, 0, -1, "logs", "message") == 0);
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", "message"), MUSTER_FAILED, "init_db");
  const int table = open_table("t");
  EXPECT(table > 0);
  insert_number(table, 1, 1);
  insert_number(table, 2, 2);
  check_tables(table);
  check_transactions(table);
  check_too_many(table);
  check_two_threads(table);
  EXPECT(shutdown_db() == 0);
  expect_closed();
  EXPECT_REFUSED(init_db(100, 0, 0, "logs", "t"), MUSTER_FAILED,
                 "init_db"); /* a table is not overwritten with words */
  check_missing_file();
  EXPECT(init_db(100, 0, 0, "logs", "message") == 0);
  EXPECT(open_table("t") == table && committed(table, 1) == 22);
  EXPECT(shutdown_db() == 0);
  leave_scratch();
  return 0;
}
