#include "admin/query.h"
#include "base/arena.h"
#include "base/err.h"
#include "test.h"

#include <string.h>

static void check_decoded(const char *in, const char *out)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str s = gw_percent_decode(mem, gw_str_of(in), 1);

    CHECK(out ? gw_str_is(s, out) && !s.p[s.len] : !s.p);
    gw_arena_free(mem);
}

TEST(test_query_text_is_percent_decoded)
{
    check_decoded("a%2Fb+c%2b", "a/b c+");
    check_decoded("", "");
    check_decoded("%C3%A9", "\xc3\xa9");
    check_decoded("%", NULL);
    check_decoded("%4", NULL);
    check_decoded("%4g", NULL);
    check_decoded("a%00b", NULL);
    check_decoded("%C3", NULL);
    check_decoded("%ED%A0%80", NULL);
}

static int read(struct gw_arena *mem, const char *query, struct gw_param *p)
{
    struct gw_err err;
    int rc = gw_params_read(mem, gw_str_of(query), p, &err);

    CHECK(!rc || (err.kind == GW_ERR_REJECT && err.msg[0]));
    return rc;
}

TEST(test_query_fills_what_is_known_and_refuses_the_rest)
{
    static const char *const bad[] = {"b=1", "pipelin=1", "id=1&id=2", "id=%zz", "%zz=1", "=1"};
    struct gw_arena *mem = gw_arena_new();
    struct gw_param p[] = {{.name = "pipeline"}, {.name = "id"}, {0}};

    CHECK(!read(mem, "&id=a%2F1&&pipeline", p));
    CHECK(!strcmp(p[0].value, "") && !strcmp(p[1].value, "a/1"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        p[0].value = p[1].value = NULL;
        CHECK(read(mem, bad[i], p) == -1);
    }
    CHECK(!gw_params_read(mem, (struct gw_str){0}, p, NULL));
    gw_arena_free(mem);
}

TEST(test_query_flags_and_times)
{
    static const struct {
        const char *text;
        int flag;
    } flags[] = {{NULL, 0}, {"", 1}, {"1", 1}, {"true", 1}, {"0", 0}, {"false", 0}, {"yes", -1}};
    struct gw_param p = {.name = "raw"};
    struct gw_err err;
    int64_t ns;
    int flag;

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        p.value = flags[i].text;
        CHECK(gw_param_flag(&p, &flag, &err) == (flags[i].flag < 0 ? -1 : 0));
        CHECK(flags[i].flag < 0 || flag == flags[i].flag);
    }
    p.value = NULL;
    CHECK(!gw_param_time(&p, &ns, &err) && ns == 0);
    p.value = "1970-01-01T00:00:02Z";
    CHECK(!gw_param_time(&p, &ns, &err) && ns == 2000000000);
    p.value = "soon";
    CHECK(gw_param_time(&p, &ns, &err) == -1 && strstr(err.msg, "soon"));
}
