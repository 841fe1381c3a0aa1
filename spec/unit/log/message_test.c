/* A message that a dead letter of ingest keeps: what is absent, empty and not text comes back. */
#include "log/message.h"

#include "base/arena.h"
#include "base/err.h"
#include "event/format.h"
#include "test.h"

#include <string.h>

static int same(struct gw_str a, struct gw_str b)
{
    return !a.p == !b.p && gw_str_eq(a, b);
}

TEST(test_message_comes_back_whole)
{
    const struct gw_header headers[] = {{GW_STR("a"), GW_STR("1")},
                                        {GW_STR("\xff"), {NULL, 0}},
                                        {GW_STR(""), GW_STR("")},
                                        {GW_STR("a"), GW_STR("x\0y")}};
    const struct gw_unread u = {.received_at_ns = INT64_MAX,
                                .ingest = GW_STR("kafka"),
                                .source = GW_STR("orders"),
                                .partition = 7,
                                .offset = 1L << 40,
                                .timestamp_ms = -1,
                                .key = GW_STR(""),
                                .body = GW_STR("\xff\0\xfe"),
                                .headers = headers,
                                .n_headers = 4};
    struct gw_arena *mem = gw_arena_new();
    struct gw_str bytes = gw_unread_put(mem, &u);
    struct gw_unread got;
    struct gw_err err;

    CHECK(!gw_unread_read(mem, bytes, &got, &err));
    CHECK(got.received_at_ns == u.received_at_ns && got.offset == u.offset);
    CHECK(got.partition == 7 && got.timestamp_ms == -1);
    CHECK(same(got.ingest, u.ingest) && same(got.source, u.source));
    CHECK(same(got.key, u.key) && same(got.subject, u.subject) && same(got.body, u.body));
    CHECK(got.n_headers == 4);
    for (size_t i = 0; i < 4; i++)
        CHECK(same(got.headers[i].name, headers[i].name) &&
              same(got.headers[i].value, headers[i].value));
    gw_arena_free(mem);
}

TEST(test_message_that_is_none_is_refused)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str bytes = gw_unread_put(mem, &(struct gw_unread){.body = GW_STR("x")});
    struct gw_unread got;
    struct gw_err err;
    char *newer = gw_arena_strndup(mem, bytes.p, bytes.len);

    CHECK(gw_unread_read(mem, GW_STR(""), &got, &err) && strstr(err.msg, "no version"));
    CHECK(gw_unread_read(mem, (struct gw_str){bytes.p, bytes.len - 1}, &got, &err));
    CHECK(err.kind == GW_ERR_REJECT && newer[0] == 1 << 3);
    newer[1] = 2;
    CHECK(gw_unread_read(mem, (struct gw_str){newer, bytes.len}, &got, &err));
    CHECK(strstr(err.msg, "newer"));
    gw_arena_free(mem);
}
