#include "base/tmp.h"

#include "base/err.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the file is; the name is gone. */
static int lies_in(FILE *f, const char *folder)
{
    char link[64], path[1000];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fileno(f));
    n = readlink(link, path, sizeof(path) - 1);
    CHECK(n > 0);
    path[n] = '\0';
    CHECK(strstr(path, " (deleted)"));
    return !strncmp(path, folder, strlen(folder));
}

TEST(test_tmp_is_written_and_read_and_has_no_name)
{
    char here[1000], text[10] = {0};
    struct gw_err err;
    FILE *f;

    CHECK(getcwd(here, sizeof(here)) && !setenv("TMPDIR", here, 1));
    f = gw_tmp_open(NULL, &err);
    CHECK(f && lies_in(f, here));
    CHECK(fputs("abc", f) >= 0 && !fseek(f, 0, SEEK_SET));
    CHECK(fgets(text, sizeof(text), f) && !strcmp(text, "abc"));
    CHECK(!fclose(f));
}

TEST(test_tmp_is_where_one_can_be)
{
    struct gw_err err;
    FILE *f;

    CHECK(!setenv("TMPDIR", "/none", 1));
    f = gw_tmp_open(".", &err);
    CHECK(f && lies_in(f, "/tmp/"));
    CHECK(!fclose(f));
}
