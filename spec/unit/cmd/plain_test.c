#include "cmd/plain.h"

#include "test.h"

#include <string.h>
#include <unistd.h>

/* What is printed, in a file of its own. */
static const char *printed(const char *text, int lines)
{
    static char got[200];
    const int out = dup(STDOUT_FILENO);
    size_t n;
    FILE *f;

    CHECK(out >= 0 && !fflush(stdout) && freopen("out", "w", stdout));
    gw_print_plain(gw_str_of(text), lines);
    CHECK(!fflush(stdout) && dup2(out, STDOUT_FILENO) >= 0);
    close(out);
    f = fopen("out", "re");
    CHECK(f);
    n = fread(got, 1, sizeof(got) - 1, f);
    got[n] = '\0';
    fclose(f);
    return got;
}

TEST(test_plain_keeps_control_characters_from_the_terminal)
{
    CHECK(!strcmp(printed("a\x1b[31mred\x07\r\x7f", 0), "a?[31mred???"));
    CHECK(!strcmp(printed("a\xc2\x9b"
                          "31m \xc3\xa9 \xc2\xa0 \xc2",
                          0),
                  "a?31m \xc3\xa9 \xc2\xa0 \xc2"));
    CHECK(!strcmp(printed("a\n\tb\x1b", 1), "a\n\tb?"));
    CHECK(!strcmp(printed("a\n\tb", 0), "a? b"));
}
