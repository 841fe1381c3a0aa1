/* state.db that is missing or damaged: nothing begins anew on its own, and the command to go on
 * loses no record. */
#include "log/log.h"

#include "logs.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    CHECK(fd >= 0 && !close(fd));
}

/* Five records, of which "p" has settled three. */
static void fill(void)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_append_each(&r, 1, 5, 10);
    rig_settle(&r, 1, 3);
    rig_close(&r);
}

static void refused(const char *found, const char *command)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err = {0};

    for (int i = 0; i < 2; i++) { /* saying so is all that is done */
        CHECK(!gw_log_open(&conf, NULL, rig_failed, NULL, &err) && err.kind == GW_ERR_FATAL);
        if (!strstr(err.msg, found) || !strstr(err.msg, command))
            fprintf(stderr, "%s\n", err.msg);
        CHECK(strstr(err.msg, found) && strstr(err.msg, command));
    }
}

static uint64_t accepted_from(struct gw_log *log, const char *name)
{
    struct gw_err err;
    struct gw_cursor *c = gw_log_cursor(log, name, GW_START_NEW, NULL, &err);
    struct gw_cursor_stats s;

    CHECK(c);
    gw_cursor_stats(c, &s);
    CHECK(s.lag == s.accepted);
    return s.accepted;
}

/* All are given again, to every pipeline, also when the start is killed halfway; later ones begin
 * where their configuration says. */
static void goes_on(const char *kept_as)
{
    struct gw_log_conf conf = rig_conf();
    struct gw_err err;
    struct rig r;

    rig_open(&r, &conf);
    CHECK(rig_stats(&r).lag == 5 && there("data/state.db.lost"));
    rig_expect(&r, 1, 5);
    rig_reopen(&r);
    CHECK(accepted_from(r.log, "q") == 5);
    CHECK(!gw_log_announce(r.log, "", &err));
    CHECK(!there("data/state.db.lost") && (!kept_as || there(kept_as)));
    CHECK(accepted_from(r.log, "later") == 0);
    rig_expect(&r, 1, 5);
    rig_settle(&r, 1, 5);
    rig_reopen(&r);
    CHECK(rig_stats(&r).lag == 0 && rig_stats(&r).accepted == 5);
    rig_close(&r);
}

TEST(test_state_that_is_missing_is_not_made_anew)
{
    fill();
    CHECK(!unlink("data/state.db"));
    refused("state.db is missing", "cd data && touch state.db.lost");
    CHECK(!there("data/state.db"));
    touch("data/state.db.lost");
    goes_on(NULL);
}

TEST(test_state_that_is_empty_is_missing)
{
    fill();
    CHECK(!truncate("data/state.db", 0));
    refused("state.db is missing", "touch state.db.lost");
    touch("data/state.db.lost");
    goes_on(NULL);
}

/* The directory of a gateway that was killed before it took a first record. */
TEST(test_state_that_is_missing_with_all_records_is_made)
{
    struct gw_log_conf conf = rig_conf();
    struct rig r;

    rig_open(&r, &conf);
    rig_close(&r);
    CHECK(!unlink("data/state.db"));
    touch("data/state.db-wal");
    rig_open(&r, &conf);
    rig_append_each(&r, 1, 2, 10);
    rig_expect(&r, 1, 2);
    rig_close(&r);
}

static void overwrite(const char *path, off_t at, const char *with, size_t n)
{
    int fd = open(path, O_WRONLY);

    CHECK(fd >= 0 && pwrite(fd, with, n, at) == (ssize_t)n && !close(fd));
}

TEST(test_state_that_is_no_database_is_told)
{
    fill();
    overwrite("data/state.db", 0, "no database at all", 18);
    refused("is damaged (file is not a database)", "cd data && mv state.db state.db.lost");
    CHECK(!rename("data/state.db", "data/state.db.lost"));
    goes_on("data/state.db.damaged");
}

/* The root page of `cursors`: found before anything is read from it. */
TEST(test_state_with_a_damaged_page_is_told)
{
    char junk[64];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int page;

    fill();
    CHECK(sqlite3_open("data/state.db", &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, "SELECT rootpage FROM sqlite_master WHERE name = 'cursors'", -1,
                             &stmt, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    page = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    memset(junk, 0xff, sizeof(junk));
    overwrite("data/state.db", (off_t)(page - 1) * 4096, junk, sizeof(junk));
    refused("is damaged", "mv state.db state.db.lost");
    CHECK(!rename("data/state.db", "data/state.db.lost"));
    goes_on("data/state.db.damaged");
}

/* A changed name would be another pipeline's, and the pipeline would begin at the end. */
TEST(test_state_with_a_changed_name_is_told)
{
    struct gw_log_conf conf = rig_conf();
    static char bytes[64 * 1024];
    struct rig r;
    char *at;
    FILE *f;
    size_t n;

    rig_open(&r, &conf);
    CHECK(accepted_from(r.log, "pipeline-aaaa") == 0 && accepted_from(r.log, "pipeline-bbbb") == 0);
    rig_append_each(&r, 1, 2, 10);
    rig_close(&r);
    CHECK((f = fopen("data/state.db", "r")));
    n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    while ((at = memmem(bytes, n, "pipeline-aaaa", 13))) {
        memset(at, 'z', 13);
        overwrite("data/state.db", at - bytes, "pipeline-zzzz", 13);
    }
    refused("is damaged", "mv state.db state.db.lost");
}

/* Tables that went with a write-ahead log that somebody has removed. */
TEST(test_state_without_tables_is_told)
{
    sqlite3 *db;

    fill();
    CHECK(!unlink("data/state.db"));
    CHECK(sqlite3_open("data/state.db", &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    refused("holds no tables", "mv state.db state.db.lost");
}

TEST(test_state_whose_counts_do_not_add_up_is_told)
{
    sqlite3 *db;

    fill();
    CHECK(sqlite3_open("data/state.db", &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "UPDATE cursors SET position = position + 1", NULL, NULL, NULL) ==
          SQLITE_OK);
    sqlite3_close(db);
    refused("counts of cursor p do not add up", "mv state.db state.db.lost");
}

/* The old write-ahead log is the new database's as little as it is thrown away. */
TEST(test_state_that_is_lost_leaves_its_journal_aside)
{
    fill();
    CHECK(!rename("data/state.db", "data/state.db.lost"));
    overwrite("data/state.db.lost", 0, "x", 1);
    touch("data/state.db-wal");
    overwrite("data/state.db-wal", 0, "a journal", 9);
    goes_on("data/state.db.damaged-wal");
}
