/* What the programs of this folder share. Of Muster they see engine/c_api.h alone. */
#ifndef EXPECT_H
#define EXPECT_H

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/c_api.h"

/* Ends the program where a condition does not hold. */
#define EXPECT(condition)                                                                                   \
  do {                                                                                                      \
    if (!(condition)) {                                                                                     \
      fprintf(stderr, "%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, muster_last_error()); \
      exit(1);                                                                                              \
    }                                                                                                       \
  } while (0)

/* A fresh directory in the working directory becomes the working directory. */
static char scratch[4096];

static inline int remove_one(const char* path, const struct stat* status, int type, struct FTW* place) {
  (void)status, (void)type, (void)place;
  return remove(path);
}

static inline void enter_scratch(void) {
  EXPECT(getcwd(scratch, sizeof scratch - 32) != NULL);
  strcat(scratch, "/muster-test-XXXXXX");
  EXPECT(mkdtemp(scratch) != NULL);
  EXPECT(chdir(scratch) == 0);
}

static inline void leave_scratch(void) {
  EXPECT(chdir("..") == 0);
  EXPECT(nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* A value of 120 bytes, not a string, that begins with a number. */
static inline void set_number(char* value, int64_t number) {
  memset(value, '#', MUSTER_VALUE_BYTES);
  memcpy(value, &number, sizeof number);
}

static inline int64_t number_in(const char* value) {
  int64_t number;
  memcpy(&number, value, sizeof number);
  return number;
}

/* A committed record's number; -1 where there is none. */
static inline int64_t committed(int table, int64_t key) {
  char value[MUSTER_VALUE_BYTES];
  const int trx = trx_begin();
  EXPECT(trx > 0);
  const int result = db_find(table, key, value, trx);
  EXPECT(result == 0 || result == MUSTER_NOT_FOUND);
  EXPECT(trx_commit(trx) == trx);
  return result == 0 ? number_in(value) : -1;
}

static inline void insert_number(int table, int64_t key, int64_t number) {
  char value[MUSTER_VALUE_BYTES];
  set_number(value, number);
  EXPECT(db_insert(table, key, value) == 0);
}

static inline int update_number(int table, int64_t key, int64_t number, int trx) {
  char value[MUSTER_VALUE_BYTES];
  set_number(value, number);
  return db_update(table, key, value, trx);
}

/* What follows a text in a file; NULL where the file does not say that. */
static inline const char* behind(const char* path, const char* text) {
  static char content[1 << 16];
  FILE* file = fopen(path, "r");
  EXPECT(file != NULL);
  content[fread(content, 1, sizeof content - 1, file)] = '\0';
  fclose(file);
  const char* found = strstr(content, text);
  return found != NULL ? found + strlen(text) : NULL;
}

static inline int file_says(const char* path, const char* text) {
  return behind(path, text) != NULL;
}

/* The number that follows a text. */
static inline long number_behind(const char* path, const char* text) {
  const char* found = behind(path, text);
  EXPECT(found != NULL);
  return strtol(found, NULL, 10);
}

/* Runs `work` in a process of its own, which ends without shutdown_db: a crash. No thread may run in this one. */
static inline void in_a_process(void (*work)(void)) {
  const pid_t child = fork();
  EXPECT(child >= 0);
  if (child == 0) {
    work();
    _exit(0);
  }
  int status;
  EXPECT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
