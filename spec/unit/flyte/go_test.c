#include "flyte/go_float.h"
#include "flyte/go_text.h"
#include "golden.h"
#include "google/protobuf/struct.pb-c.h"

#include <math.h>

static int same(struct gw_str got, const char *want)
{
    if (gw_str_is(got, want))
        return 1;
    fprintf(stderr, "got  %.*s\nwant %s\n", (int)got.len, got.p, want);
    return 0;
}

static struct gw_str text_of(struct gw_arena *mem, const ProtobufCMessage *m, int spacing)
{
    struct gw_buf out;

    gw_buf_init(&out, 1 << 26, mem);
    gw_go_text_put(&out, m, spacing);
    CHECK(!out.failed);
    return gw_buf_str(&out);
}

static struct gw_flyte_request of_json(struct gw_arena *mem, enum gw_kind kind, const char *json)
{
    struct gw_flyte_request r;
    struct gw_err err;

    if (gw_flyte_decode_json(mem, kind, gw_str_of(json), &r, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return r;
}

/* ---- numbers ---- */

static int floats_are(struct gw_arena *mem, double d, int bits, const char *json, const char *text)
{
    struct gw_buf out;
    int ok;

    gw_buf_init(&out, 1000, mem);
    gw_go_json_float(&out, d, bits);
    ok = same(gw_buf_str(&out), json);
    gw_buf_clear(&out);
    gw_go_text_float(&out, d, bits);
    return ok && same(gw_buf_str(&out), text);
}

TEST(test_go_floats_are_what_strconv_prints)
{
    struct gw_arena *mem = test_arena();
    struct gw_str file = golden_file(mem, "go/floats.txt");
    int n = 0;

    for (struct gw_str line; (line = golden_line(&file)).p; n++) {
        char json[64], text[64];
        unsigned long long bits;
        double d;
        int size;

        CHECK(sscanf(gw_arena_strndup(mem, line.p, line.len), "%d %llx %63s %63s", &size, &bits,
                     json, text) == 4);
        memcpy(&d, &bits, sizeof(d));
        CHECK(floats_are(mem, d, size, json, text));
    }
    CHECK(n == 254);
    CHECK(floats_are(mem, (double)NAN, 64, "\"NaN\"", "nan"));
    CHECK(floats_are(mem, (double)INFINITY, 64, "\"Infinity\"", "inf"));
    CHECK(floats_are(mem, (double)-INFINITY, 32, "\"-Infinity\"", "-inf"));
}

/* ---- the text form of any message ---- */

TEST(test_go_text_tells_every_kind_of_field)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r =
        of_json(mem, GW_TASK,
                "{\"event\":{\"retryAttempt\":4294967295,\"logs\":[{\"ttl\":\"-3.5s\"},{}],"
                "\"customInfo\":{\"b\":null,\"a\":[1e6,true,\"\"]},"
                "\"inputData\":{\"literals\":{\"é\":{},\"\":{\"scalar\":{\"binary\":"
                "{\"value\":\"/w==\"}}}}},\"eventVersion\":-1}}");

    CHECK(same(text_of(mem, r.msg, 1),
               "event:{retry_attempt:4294967295 logs:{ttl:{seconds:-3 nanos:-500000000}} logs:{} "
               "input_data:{literals:{key:\"\" value:{scalar:{binary:{value:\"\\xff\"}}}} "
               "literals:{key:\"é\" value:{}}} "
               "custom_info:{fields:{key:\"a\" value:{list_value:{values:{number_value:1e+06} "
               "values:{bool_value:true} values:{string_value:\"\"}}}} "
               "fields:{key:\"b\" value:{null_value:NULL_VALUE}}} "
               "event_version:-1}"));
}

TEST(test_go_text_spaces_are_one_or_two)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r = of_json(
        mem, GW_NODE, "{\"requestId\":\"r\",\"event\":{\"id\":{\"nodeId\":\"n\"},\"phase\":1}}");

    CHECK(same(text_of(mem, r.msg, 1), "request_id:\"r\" event:{id:{node_id:\"n\"} phase:QUEUED}"));
    CHECK(
        same(text_of(mem, r.msg, 2), "request_id:\"r\"  event:{id:{node_id:\"n\"}  phase:QUEUED}"));
    CHECK(same(text_of(mem, NULL, 2), "<nil>"));
    CHECK(same(text_of(mem, gw_pb_new(mem, r.msg->descriptor), 2), ""));
}

static void put_entry(struct gw_buf *out, int i, char value)
{
    char entry[] = "\x0a\x0a\x0a\x03k00\x12\x03\x1a\x01?"; /* a key, a string */

    entry[5] = (char)('0' + i / 10);
    entry[6] = (char)('0' + i % 10);
    entry[11] = value;
    gw_buf_put(out, entry, 12);
}

/* Also more entries than are sorted on the stack; each key comes twice. */
TEST(test_go_maps_are_sorted_and_the_last_of_a_key_counts)
{
    struct gw_arena *mem = test_arena();

    for (int n = 1; n < 40; n++) {
        struct gw_buf bytes, want, got;
        struct gw_err err;

        gw_buf_init(&bytes, 1 << 20, mem);
        gw_buf_init(&want, 1 << 20, mem);
        gw_buf_init(&got, 1 << 20, mem);
        for (int i = 0; i < n; i++)
            put_entry(&bytes, i * 7 % 41 % n, 'x');
        for (int i = n; i-- > 0;) {
            put_entry(&bytes, i, 'x');
            put_entry(&bytes, i, 'y');
        }
        for (int i = 0; i < n; i++)
            gw_buf_printf(&want, "%c\"k%02d\":\"y\"", i ? ',' : '{', i);
        gw_buf_putc(&want, '}');
        gw_buf_putc(&want, '\0');
        CHECK(!gw_pb_jsonpb_put(
            &got,
            gw_pb_decode(mem, &google__protobuf__struct__descriptor, gw_buf_str(&bytes), &err),
            &err));
        CHECK(same(gw_buf_str(&got), want.p));
    }
}
