#include "base/stat.h"

#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static struct stat look(const char *path)
{
    struct stat st;

    CHECK(!stat(path, &st));
    return st;
}

/* Sets both times of path to those of st: what `cp -p` and `touch -r` do. */
static void copy_times(const char *path, const struct stat *st)
{
    const struct timespec times[] = {st->st_atim, st->st_mtim};

    CHECK(!utimensat(AT_FDCWD, path, times, 0));
}

TEST(test_stat_sees_what_was_written_replaced_and_copied_over)
{
    struct stat a, b;

    write_file("f", "one");
    a = look("f");
    b = look("f");
    CHECK(gw_stat_same(&a, &b));
    write_file("other", "two");
    b = look("other");
    copy_times("other", &a);
    CHECK(!rename("other", "f"));
    b = look("f");
    CHECK(b.st_size == a.st_size && b.st_mtim.tv_nsec == a.st_mtim.tv_nsec);
    CHECK(!gw_stat_same(&a, &b));
    a = b;
    write_file("f", "longer");
    copy_times("f", &a);
    b = look("f");
    CHECK(!gw_stat_same(&a, &b));
}

/* Each member by itself, as a file system need not change more than one. */
TEST(test_stat_looks_at_every_member)
{
    const struct stat a = {.st_dev = 1, .st_ino = 2, .st_size = 3};
    struct stat b[7] = {a, a, a, a, a, a, a};

    b[0].st_dev++;
    b[1].st_ino++;
    b[2].st_size++;
    b[3].st_mtim.tv_sec++;
    b[4].st_mtim.tv_nsec++;
    b[5].st_ctim.tv_sec++;
    b[6].st_ctim.tv_nsec++;
    for (size_t i = 0; i < 7; i++)
        CHECK(!gw_stat_same(&a, &b[i]));
}
