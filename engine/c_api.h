#ifndef MUSTER_ENGINE_C_API_H
#define MUSTER_ENGINE_C_API_H

#include <stdint.h>

/*
 * Tables of 120-byte values by 64-bit keys, with transactions and recovery: eleven functions over Muster's engine.
 * One database a process. Needs this header and the static library muster_core, linked as C++.
 *
 * Results    0 or what the function says on success. On failure 0 where a function returns a transaction's id, else one
 *            of enum MusterResult, all negative; muster_last_error() says why. Nothing throws.
 * Locks      db_find takes a shared lock on the record, db_update an exclusive one, until the transaction ends (strict
 *            two-phase locking). Both wait for other transactions. A wait that closes a cycle is refused:
 *            MUSTER_DEADLOCK, and the transaction has been rolled back. A thread that waits for a transaction of its own
 *            waits for ever.
 * Threads    All may be called by any thread at any time, but a transaction id is one thread's at a time: a call that
 *            finds another at work on its transaction is refused.
 * Durability What trx_commit, db_insert and db_delete have reported is durable. A process that ends without shutdown_db
 *            has crashed: running transactions are rolled back by the next init_db. A child made by fork must not use
 *            its parent's database.
 * Log buffer border_collie, the engine's default.
 */

#ifdef __cplusplus
extern "C" {
#endif

enum {
  MUSTER_VALUE_BYTES = 120, /* every value has exactly so many */
  /* Transactions that run at once, insertions and deletions among them. Each that there was at once keeps a session,
     some 13 KiB, until shutdown_db. */
  MUSTER_TRANSACTIONS_MAX = 1024,
  MUSTER_TABLES_MAX = 255
};

enum MusterResult {
  MUSTER_FAILED =
      -1, /* bad arguments, a call at the wrong time, the machine's refusal: muster_last_error() */
  MUSTER_NOT_FOUND = -2, /* no record has this key; the transaction goes on */
  MUSTER_EXISTS = -3,    /* db_insert: a record has this key already */
  MUSTER_DEADLOCK =
      -4,            /* the transaction was a deadlock's victim: it has been rolled back, its id has ended */
  MUSTER_LOCKED = -5 /* db_insert, db_delete: a running transaction holds the record's lock */
};

/*
 * Opens the database in the directory `log_path`, which is created if absent and holds master, catalogue and log, and
 * recovers it, with all its tables. init_db fails if the file of one of these tables is missing.
 *   num_buf      pages of 4 KiB that may be in memory; raised to 4,096, since each transaction may latch four
 *   flag         0: recovers. 1, 2: breaks the redo (1) or the undo (2) off after `log_num` records, at its end if there
 *                are fewer: returns 0 with nothing flushed, as if the process had died there. Every call but init_db and
 *                shutdown_db fails then; the next init_db recovers in full. Redo counts the log's records of every kind
 *                from the last checkpoint on, undo the changes that it takes back.
 *   log_num      0 at least where flag is not 0, which else ignores it
 *   logmsg_path  a file that is replaced by the restart in words
 */
int init_db(int num_buf, int flag, int log_num, char* log_path, char* logmsg_path);
/* Rolls back what runs and closes. Refused while another call is on its way. Afterwards init_db may come again. */
int shutdown_db(void);

/*
 * The table in this file: an id from 1 to MUSTER_TABLES_MAX, the same for the same file, also after a restart. The
 * catalogue has its absolute path. A table that is open is opened again under its id; one close_table closes it. Creates
 * what is not there, where the directory is; a file that is no table of this database is refused, unless it is empty.
 */
int open_table(char* pathname);
/* Its id is refused until the table is opened again. What transactions have done to it stays theirs. */
int close_table(int table_id);

/* Each a transaction of its own. Returns non-zero instead of waiting for a record's lock. */
int db_insert(int table_id, int64_t key, char* value);
int db_delete(int table_id, int64_t key);

int db_find(int table_id, int64_t key, char* ret_val, int trx_id);
int db_update(int table_id, int64_t key, char* values, int trx_id);

/* An id > 0, not used again before 2^31 others. 0: it failed, too many run. */
int trx_begin(void);
/* The id once the commit is durable. 0: it failed; the transaction has ended all the same. */
int trx_commit(int trx_id);
/* The id once everything is taken back and the log is forced. 0: it failed; the transaction has ended all the same. */
int trx_abort(int trx_id);

/* Why this thread's last call that failed did so, in one line. Valid until its next call that fails. */
const char* muster_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
