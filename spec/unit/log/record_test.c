#include "log/record.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/flyte.h"
#include "record.pb-c.h"
#include "test.h"
#include "test_arena.h"

#include <string.h>

static struct gw_str put(struct gw_arena *mem, const struct gw_record *r)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_record_put(&b, r);
    CHECK(!b.failed && b.len <= gw_record_size(r));
    return gw_buf_str(&b);
}

static struct gw_record sample(int kind)
{
    return (struct gw_record){.kind = kind,
                              .received_at_ns = 1775543401223940031,
                              .ingest = GW_STR("grpc"),
                              .client = GW_STR("propeller"),
                              .key = GW_STR("p:d:x"),
                              .traceparent = GW_STR("00-0af7651916cd43dd8448eb211c80319c-"
                                                    "b7ad6b7169203331-01"),
                              .payload = GW_STR("\x0a\x00\xff")};
}

TEST(test_record_is_what_protobuf_c_makes_of_it)
{
    struct gw_arena *mem = test_arena();

    for (int kind = 0; kind < GW_KINDS; kind++) {
        struct gw_record r = sample(kind);
        struct gw_str bytes = put(mem, &r);
        Moongate__Log__V1__Record *m =
            moongate__log__v1__record__unpack(NULL, bytes.len, (const uint8_t *)bytes.p);
        uint8_t again[1000];

        CHECK(m && m->version == 1 && m->received_at_ns == r.received_at_ns);
        CHECK(m->key.len == r.key.len && !memcmp(m->key.data, r.key.p, r.key.len));
        CHECK(m->payload_case == (unsigned)(10 + kind) && m->task.len == 3);
        CHECK(moongate__log__v1__record__pack(m, again) == bytes.len);
        CHECK(!memcmp(again, bytes.p, bytes.len));
        moongate__log__v1__record__free_unpacked(m, NULL);
    }
}

TEST(test_record_reads_back_what_was_put)
{
    struct gw_arena *mem = test_arena();

    for (int kind = 0; kind < GW_KINDS; kind++) {
        struct gw_record r = sample(kind), got;
        struct gw_str bytes = put(mem, &r);
        struct gw_err err;

        CHECK(!gw_record_read(bytes, &got, &err));
        CHECK(got.kind == kind && got.received_at_ns == r.received_at_ns);
        CHECK(gw_str_eq(got.ingest, r.ingest) && gw_str_eq(got.client, r.client));
        CHECK(gw_str_eq(got.key, r.key) && gw_str_eq(got.traceparent, r.traceparent));
        CHECK(gw_str_eq(got.payload, r.payload) && gw_str_eq(got.encoded, bytes));
        CHECK(got.key_hash == gw_hash64(r.key) && !got.damaged);
        CHECK(got.payload.p >= bytes.p && got.payload.p < bytes.p + bytes.len);
    }
}

TEST(test_record_tells_absent_from_empty)
{
    struct gw_arena *mem = test_arena();
    struct gw_record r = {.kind = GW_TASK, .payload = GW_STR("")}, got;
    struct gw_err err;

    CHECK(!gw_record_read(put(mem, &r), &got, &err));
    CHECK(!got.client.p && !got.traceparent.p && got.key.p && got.key.len == 0);
    CHECK(got.payload.p && got.payload.len == 0 && got.kind == GW_TASK);
}

static const char *error_of(struct gw_str bytes)
{
    static struct gw_err err;
    struct gw_record got;

    err.msg[0] = 0;
    if (gw_record_read(bytes, &got, &err))
        CHECK(err.kind == GW_ERR_REJECT);
    return err.msg;
}

TEST(test_record_refuses_what_it_cannot_know)
{
    CHECK(strstr(error_of(GW_STR("\x08\x02\x62\x00")), "newer"));
    CHECK(strstr(error_of(GW_STR("\x62\x00")), "no version"));
    CHECK(strstr(error_of(GW_STR("\x08\x01")), "no payload"));
    CHECK(strstr(error_of(GW_STR("")), "no version"));
    CHECK(strstr(error_of(GW_STR("\x08\x01\x62\x05")), "malformed"));
    CHECK(strstr(error_of(GW_STR("\x08\x01\x63\x05")), "malformed"));
    CHECK(strstr(error_of(GW_STR("\x08\x01\x62\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
                 "malformed"));
    /* fields of a later version are skipped */
    CHECK(!*error_of(GW_STR("\x08\x01\xa2\x06\x01"
                            "a"
                            "\x62\x00\xa9\x06"
                            "12345678")));
}

TEST(test_record_survives_what_is_cut_anywhere)
{
    struct gw_arena *mem = test_arena();
    struct gw_record r = sample(GW_NODE);
    struct gw_str bytes = put(mem, &r);

    for (size_t n = 0; n < bytes.len; n++) {
        char *exact = malloc(n + 1);

        memcpy(exact, bytes.p, n);
        CHECK(*error_of((struct gw_str){exact, n}));
        free(exact);
    }
}
