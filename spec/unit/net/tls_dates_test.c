/* What is said of certificates before they end, and of authorities. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "net/tls_conf.h"
#include "tls_files.h"

#include <sys/stat.h>
#include <unistd.h>

static struct gw_problems p;
static int64_t now_ns;

static int64_t now(void)
{
    return now_ns;
}

/* Some days from the moment when the certificates were made, and an hour: no test depends on the
 * second. */
static void at_day(int day)
{
    now_ns = (time(NULL) + day * 86400L + 3600) * 1000000000L;
}

static void check(const char *path, int chain)
{
    static const struct gw_yaml at = {.file = "c.yaml", .line = 3, .column = 7};

    p = (struct gw_problems){.mem = gw_arena_new()};
    gw_tls_dates_check(path, chain, "tls.cert", &p, &at);
}

static int silent(const char *path, int chain)
{
    int n;

    check(path, chain);
    n = (int)p.n;
    gw_arena_free(p.mem);
    return n == 0;
}

/* One warning, that begins and ends so: between stands when. */
static int warns(const char *path, int chain, const char *start, const char *end)
{
    const char *text;
    int ok;

    check(path, chain);
    CHECK(p.n == 1 && p.errors == 0 && p.items[0].line == 3 && p.items[0].column == 7);
    text = p.items[0].text;
    ok = !strncmp(text, start, strlen(start)) && strlen(text) > strlen(end) &&
         !strcmp(text + strlen(text) - strlen(end), end);
    if (!ok)
        fprintf(stderr, "%s\n", text);
    gw_arena_free(p.mem);
    return ok;
}

static void append(const char *to, const char *from)
{
    char text[4096];
    FILE *f = fopen(from, "r"), *g = fopen(to, "a");
    size_t n;

    CHECK(f && g);
    n = fread(text, 1, sizeof(text), f);
    CHECK(n && n < sizeof(text) && fwrite(text, 1, n, g) == n && !fclose(g) && !fclose(f));
}

TEST(test_tls_dates_of_a_certificate_are_warned_of)
{
    tls_authority_free(tls_certificate("a", NULL, NULL, 30));
    gw_clock_wall_ns = now;
    at_day(0);
    CHECK(silent("a.pem", 1) && silent("a.pem", 0) && silent(NULL, 1) && silent("none.pem", 1));
    CHECK(silent("a.key", 1) && !mkfifo("pipe", 0600) && silent("pipe", 1));
    at_day(15);
    CHECK(silent("a.pem", 1));
    at_day(16);
    CHECK(warns("a.pem", 1, "tls.cert: a.pem: the certificate of CN=a ends at 20",
                "Z, in less than 14 days"));
    at_day(29);
    CHECK(warns("a.pem", 1, "tls.cert: a.pem: the certificate of CN=a ends at 20",
                "Z, in less than 1 day"));
    at_day(30);
    CHECK(warns("a.pem", 1, "tls.cert: a.pem: the certificate of CN=a has ended at 20", "Z"));
    at_day(-401);
    CHECK(
        warns("a.pem", 1, "tls.cert: a.pem: the certificate of CN=a is not valid before 20", "Z"));
}

TEST(test_tls_dates_of_a_chain_are_those_of_each_and_of_authorities_of_the_last)
{
    tls_authority_free(tls_certificate("long", NULL, NULL, 30));
    tls_authority_free(tls_certificate("short", NULL, NULL, 3));
    tls_authority_free(tls_certificate("past", NULL, NULL, -1));
    append("both.pem", "long.key"); /* what else stands in the file is passed over */
    append("both.pem", "long.pem");
    append("both.pem", "short.pem");
    append("old.pem", "past.pem");
    append("old.pem", "short.pem");
    gw_clock_wall_ns = now;
    at_day(0);
    CHECK(silent("both.pem", 0)); /* an authority that goes, beside the one that comes */
    CHECK(warns("both.pem", 1, "tls.cert: both.pem: the certificate of CN=short ends at 20",
                "Z, in less than 3 days"));
    CHECK(warns("old.pem", 0, "tls.cert: old.pem: the last authority, CN=short ends at 20",
                "Z, in less than 3 days"));
    CHECK(
        warns("old.pem", 1, "tls.cert: old.pem: the certificate of CN=past has ended at 20", "Z"));
}
