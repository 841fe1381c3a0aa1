#include "base/pbwire.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "flyteidl/admin/event.pb-c.h"
#include "go_cases.h"
#include "golden.h"

static int same(struct gw_str got, struct gw_str want)
{
    if (gw_str_eq(got, want))
        return 1;
    fprintf(stderr, "got  %.*s\nwant %.*s\n", (int)got.len, got.p, (int)want.len, want.p);
    return 0;
}

static int same_for(const char *rule, struct gw_str got, struct gw_str want)
{
    if (same(got, want))
        return 1;
    fprintf(stderr, "%s\n", rule);
    return 0;
}

static int try_make(struct gw_arena *mem, enum gw_style style, int spacing,
                    const struct gw_flyte_request *r, struct gw_event *ev, struct gw_err *err)
{
    const struct gw_style_conf conf = {
        .style = style, .source = GW_STR("/mine"), .id_spacing = spacing};

    gw_event_init(ev, mem);
    return gw_style_make(&conf, r, ev, err);
}

static struct gw_event *make(struct gw_arena *mem, enum gw_style style, int spacing,
                             const struct gw_flyte_request *r)
{
    struct gw_event *ev = gw_arena_alloc(mem, sizeof(*ev));
    struct gw_err err;

    if (try_make(mem, style, spacing, r, ev, &err)) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return ev;
}

static struct gw_flyte_request of_json(struct gw_arena *mem, enum gw_kind kind, const char *json)
{
    struct gw_flyte_request r;
    struct gw_err err;

    if (gw_flyte_decode_json(mem, kind, gw_str_of(json), &r, &err)) {
        fprintf(stderr, "%s\n%s\n", err.msg, json);
        exit(1);
    }
    return r;
}

static struct gw_flyte_request of_bytes(struct gw_arena *mem, enum gw_kind kind, struct gw_str b)
{
    struct gw_flyte_request r;
    struct gw_err err;

    CHECK(!gw_flyte_decode(mem, kind, b, &r, &err));
    return r;
}

/* The names in their order, each with a space behind it. */
static struct gw_str names_of(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf out;

    gw_buf_init(&out, 1000, mem);
    for (const struct gw_attr *a = ev->attrs; a; a = a->next) {
        gw_buf_put_str(&out, a->name);
        gw_buf_putc(&out, ' ');
    }
    return gw_buf_str(&out);
}

/* ---- the vectors ---- */

static int is_member(struct gw_arena *mem, const struct gw_event *ev, struct gw_str attributes,
                     const char *name)
{
    struct gw_str raw = golden_member(attributes, name), got = gw_event_text(ev, name);

    return raw.p ? same(got, golden_string(mem, attributes, name)) : !got.p;
}

/* All but the source, which version 2 gets from its script. */
static int are_attributes(struct gw_arena *mem, const struct gw_event *ev, struct gw_str want)
{
    return is_member(mem, ev, want, "id") && is_member(mem, ev, want, "type") &&
           is_member(mem, ev, want, "time") && is_member(mem, ev, want, "datacontenttype") &&
           is_member(mem, ev, golden_member(want, "extensions"), "jsonschemaurl");
}

static struct gw_str attributes_of(struct gw_arena *mem, struct gw_str style, int spacing)
{
    const char *name = gw_arena_printf(mem, "%d", spacing).p;

    return golden_member(golden_member(golden_member(style, "id_spacing"), name), "attributes");
}

static void check_vector(struct gw_arena *mem, struct gw_str file, int spacing)
{
    struct gw_str styles = golden_member(file, "styles");
    struct gw_str v1 = golden_member(styles, "flyteadmin"), want = attributes_of(mem, v1, spacing);
    struct gw_flyte_request r =
        of_bytes(mem, golden_kind(mem, file),
                 gw_base64_decode(mem, golden_string(mem, file, "request_b64")));
    struct gw_event *ev = make(mem, GW_STYLE_FLYTEADMIN, spacing, &r);
    struct gw_str v2 = golden_member(styles, "flyteadmin-v2");

    CHECK(same(names_of(mem, ev), GW_STR("id source type datacontenttype time jsonschemaurl ")));
    CHECK(are_attributes(mem, ev, want) && is_member(mem, ev, want, "source"));
    CHECK(ev->data_kind == GW_DATA_BYTES && gw_event_data_is_json(ev));
    CHECK(same(ev->data, golden_string(mem, v1, "data")));
    if (!v2.p)
        return;
    ev = make(mem, GW_STYLE_FLYTEADMIN_V2, spacing, &r);
    CHECK(same(names_of(mem, ev), GW_STR("id type datacontenttype time jsonschemaurl ")));
    CHECK(are_attributes(mem, ev, attributes_of(mem, v2, spacing)));
    CHECK(ev->data_kind == GW_DATA_NONE);
}

TEST(test_style_flyteadmin_gives_every_vector)
{
    struct gw_arena *mem = test_arena();

    for (int i = 0; i < GOLDEN_VECTORS; i++) {
        struct gw_str file = golden_vector(mem, i);

        check_vector(mem, file, 1);
        check_vector(mem, file, 2);
    }
}

TEST(test_style_external_is_the_request_under_its_real_name)
{
    struct gw_arena *mem = test_arena();

    for (int i = 0; i < GOLDEN_VECTORS; i++) {
        struct gw_str file = golden_vector(mem, i), any;
        struct gw_str style = golden_member(golden_member(file, "styles"), "flyteadmin-external");
        struct gw_str bytes = gw_base64_decode(mem, golden_string(mem, file, "request_b64"));
        struct gw_flyte_request r = of_bytes(mem, golden_kind(mem, file), bytes);
        struct gw_event *ev = make(mem, GW_STYLE_FLYTEADMIN_EXTERNAL, 2, &r);
        struct gw_event *documented = make(mem, GW_STYLE_DOCUMENTED, 2, &r);

        any = golden_member(golden_member(style, "id_spacing"), "any");
        CHECK(is_member(mem, ev, golden_member(any, "sns"), "subject"));
        CHECK(ev->data_kind == GW_DATA_BYTES && same(ev->data, bytes));
        CHECK(same(names_of(mem, ev), names_of(mem, documented)));
        CHECK(same(gw_event_text(ev, "id"), gw_event_text(documented, "id")));
        CHECK(same(gw_event_text(ev, "datacontenttype"), GW_STR("application/protobuf")));
    }
}

/* What follows "NAME: " at the start of a line of text, which is shortened to behind it. */
static struct gw_str after(struct gw_str *text, const char *name)
{
    size_t len = strlen(name);

    for (struct gw_str line; (line = golden_line(text)).p;)
        if (line.len > len && !memcmp(line.p, name, len))
            return (struct gw_str){line.p + len, line.len - len};
    return (struct gw_str){0};
}

static struct gw_str of_hex(struct gw_arena *mem, struct gw_str hex)
{
    char *out = gw_arena_alloc(mem, hex.len / 2 + 1);

    for (size_t i = 0; i + 1 < hex.len; i += 2)
        out[i / 2] = (char)(gw_hex_digit(hex.p[i]) << 4 | gw_hex_digit(hex.p[i + 1]));
    return (struct gw_str){out, hex.len / 2};
}

/* An older Go wrote \b and \f with four digits: the only two letters of them there are in it. */
static struct gw_str as_go_writes_today(struct gw_arena *mem, struct gw_str s)
{
    char *out = gw_arena_alloc(mem, s.len);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int is_b = s.len - i >= 6 && !memcmp(s.p + i, "\\u0008", 6);
        int is_f = s.len - i >= 6 && !memcmp(s.p + i, "\\u000c", 6);

        out[n++] = s.p[i];
        if (is_b || is_f) {
            out[n++] = is_b ? 'b' : 'f';
            i += 5;
        }
    }
    return (struct gw_str){out, n};
}

TEST(test_style_flyteadmin_gives_what_an_older_run_gave)
{
    static const enum gw_kind kinds[] = {GW_WORKFLOW, GW_NODE, GW_TASK, GW_TASK};
    struct gw_arena *mem = test_arena();
    struct gw_str text = golden_file(mem, "flyteadmin-v1.txt");

    for (int i = 0; i < 4; i++) {
        struct gw_str id = after(&text, "id  : "), json = after(&text, "json: ");
        struct gw_flyte_request r =
            of_bytes(mem, kinds[i], of_hex(mem, after(&text, "raw proto: ")));
        struct gw_event *ev = make(mem, GW_STYLE_FLYTEADMIN, 2, &r);

        CHECK(same(gw_event_text(ev, "id"), id));
        CHECK(same(ev->data, as_go_writes_today(mem, json)));
    }
}

/* ---- rule by rule ---- */

static struct gw_flyte_request request_of(struct gw_arena *mem, const struct go_case *c)
{
    return c->json ? of_json(mem, c->kind, c->json) : of_bytes(mem, c->kind, c->bytes);
}

static int is_right(struct gw_arena *mem, const struct go_case *c, const struct gw_event *ev)
{
    struct gw_str time = gw_event_text(ev, "time");

    return same_for(c->rule, ev->data, gw_str_of(c->data)) &&
           (!c->id || same_for(c->rule, gw_event_text(ev, "id"), gw_str_of(c->id))) &&
           (c->time ? same_for(c->rule, time, gw_str_of(c->time)) : !time.p) &&
           gw_event_data_is_json(ev) &&
           same(names_of(mem, ev), c->time ? GW_STR("id source type datacontenttype time "
                                                    "jsonschemaurl ")
                                           : GW_STR("id source type datacontenttype "
                                                    "jsonschemaurl "));
}

TEST(test_style_flyteadmin_keeps_every_rule_of_gos_libraries)
{
    struct gw_arena *mem = test_arena();

    for (int i = 0; i < GO_CASES; i++) {
        struct gw_flyte_request r = request_of(mem, &go_cases[i]);
        struct gw_event ev;
        struct gw_err err;

        if (go_cases[i].data) {
            CHECK(!try_make(mem, GW_STYLE_FLYTEADMIN, 1, &r, &ev, &err));
            CHECK(is_right(mem, &go_cases[i], &ev));
            /* what FlyteAdmin sends passes the check that hooks' events get */
            CHECK(!gw_event_check(&ev, &err));
        } else {
            CHECK(try_make(mem, GW_STYLE_FLYTEADMIN, 1, &r, &ev, &err));
            CHECK(err.kind == GW_ERR_REJECT && strstr(err.msg, ": "));
        }
    }
}

static int id_is(enum gw_kind kind, int phase, const char *name)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r =
        of_json(mem, kind, gw_arena_printf(mem, "{\"event\":{\"phase\":%d}}", phase).p);
    int ok = same(gw_event_text(make(mem, GW_STYLE_FLYTEADMIN, 2, &r), "id"),
                  gw_arena_printf(mem, "<nil>.%s", name));

    gw_arena_free(mem);
    return ok;
}

TEST(test_style_flyteadmin_names_every_phase)
{
    static const char *const workflow[] = {"UNDEFINED", "QUEUED",  "RUNNING", "SUCCEEDING",
                                           "SUCCEEDED", "FAILING", "FAILED",  "ABORTED",
                                           "TIMED_OUT", "ABORTING"};
    static const char *const node[] = {"UNDEFINED", "QUEUED",          "RUNNING",  "SUCCEEDED",
                                       "FAILING",   "FAILED",          "ABORTED",  "SKIPPED",
                                       "TIMED_OUT", "DYNAMIC_RUNNING", "RECOVERED"};
    static const char *const task[] = {
        "UNDEFINED",       "QUEUED", "RUNNING",      "SUCCEEDED",
        "ABORTED",         "FAILED", "INITIALIZING", "WAITING_FOR_RESOURCES",
        "RETRYABLE_FAILED"};

    for (int i = 0; i < (int)(sizeof(workflow) / sizeof(workflow[0])); i++)
        CHECK(id_is(GW_WORKFLOW, i, workflow[i]));
    for (int i = 0; i < (int)(sizeof(node) / sizeof(node[0])); i++)
        CHECK(id_is(GW_NODE, i, node[i]));
    for (int i = 0; i < (int)(sizeof(task) / sizeof(task[0])); i++)
        CHECK(id_is(GW_TASK, i, task[i]));
    CHECK(id_is(GW_TASK, 1000, "1000") && id_is(GW_NODE, -2147483647 - 1, "-2147483648"));
}

/* ---- what cannot come in as JSON ---- */

TEST(test_style_flyteadmin_writes_bytes_that_are_no_text)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r =
        of_json(mem, GW_WORKFLOW, "{\"event\":{\"executionId\":{\"name\":\"abcdefg\"}}}");
    struct gw_event *ev;
    char *name = memmem(r.bytes.p, r.bytes.len, "abcdefg", 7);

    r = of_bytes(mem, GW_WORKFLOW, r.bytes);
    memcpy(name, "a\xff\xe2\x80\xc3\xa9\xed", 7); /* a request borrows its bytes */
    ev = make(mem, GW_STYLE_FLYTEADMIN, 2, &r);
    CHECK(
        same(gw_event_text(ev, "id"), GW_STR("name:\"a\\xff\\xe2\\x80\xc3\xa9\\xed\".UNDEFINED")));
    CHECK(same(ev->data, GW_STR("{\"event\":{\"executionId\":{\"name\":\"a\\ufffd\\ufffd\\ufffd"
                                "\xc3\xa9\\ufffd\"}}}")));
}

TEST(test_style_flyteadmin_writes_long_errors_and_deep_values)
{
    struct gw_arena *mem = test_arena();
    struct gw_buf json, want;
    struct gw_flyte_request r;
    struct gw_event *ev;

    gw_buf_init(&json, 1 << 24, mem);
    gw_buf_init(&want, 1 << 24, mem);
    gw_buf_puts(&json, "{\"event\":{\"error\":{\"message\":\"");
    gw_buf_puts(&want, "{\"event\":{\"error\":{\"message\":\"");
    for (int i = 0; i < 1 << 16; i++) {
        gw_buf_putc(&json, i % 97 ? 'x' : '>');
        gw_buf_puts(&want, i % 97 ? "x" : "\\u003e");
    }
    gw_buf_puts(&json, "\"}}}");
    gw_buf_puts(&want, "\"}}}");
    gw_buf_putc(&json, '\0');
    r = of_json(mem, GW_WORKFLOW, json.p);
    CHECK(same(make(mem, GW_STYLE_FLYTEADMIN, 2, &r)->data, gw_buf_str(&want)));

    /* event, customInfo and 98 lists */
    gw_buf_clear(&json);
    gw_buf_puts(&json, "{\"event\":{\"customInfo\":{\"a\":");
    for (int i = 0; i < 97; i++)
        gw_buf_putc(&json, '[');
    for (int i = 0; i < 97; i++)
        gw_buf_putc(&json, ']');
    gw_buf_puts(&json, "}}}");
    gw_buf_putc(&json, '\0');
    r = of_json(mem, GW_TASK, json.p);
    ev = make(mem, GW_STYLE_FLYTEADMIN, 2, &r);
    CHECK(same(ev->data, gw_str_of(json.p)));
    CHECK(gw_event_data_is_json(ev)); /* so a hook sees its parts */
}

/* A literal of n levels: a scalar in n collections. */
static struct gw_str nested_literal(struct gw_arena *mem, int n)
{
    struct gw_str inner = GW_STR("\x0a\x04\x0a\x02\x08\x00"); /* scalar, primitive, integer 0 */

    for (int i = 0; i < n; i++) {
        struct gw_buf list, out;

        gw_buf_init(&list, 1 << 20, mem);
        gw_buf_init(&out, 1 << 20, mem);
        gw_pbwire_put_bytes(&list, 1, inner);            /* literals */
        gw_pbwire_put_bytes(&out, 2, gw_buf_str(&list)); /* collection */
        inner = gw_buf_str(&out);
    }
    return inner;
}

TEST(test_style_flyteadmin_data_is_json_as_deep_as_messages_nest)
{
    enum { DEEP = 46 }; /* with request, event, map, entry, literal, scalar and primitive 99 */
    struct gw_arena *mem = test_arena();
    struct gw_buf entry, map, event, request;
    struct gw_flyte_request r;
    struct gw_event *ev;
    int depth = 0, most = 0;

    gw_buf_init(&entry, 1 << 20, mem);
    gw_buf_init(&map, 1 << 20, mem);
    gw_buf_init(&event, 1 << 20, mem);
    gw_buf_init(&request, 1 << 20, mem);
    gw_pbwire_put_bytes(&entry, 2, nested_literal(mem, DEEP));
    gw_pbwire_put_bytes(&map, 1, gw_buf_str(&entry));
    gw_pbwire_put_bytes(&event, 20, gw_buf_str(&map));
    gw_pbwire_put_bytes(&request, 2, gw_buf_str(&event));
    r = of_bytes(mem, GW_NODE, gw_buf_str(&request));
    ev = make(mem, GW_STYLE_FLYTEADMIN, 2, &r);
    for (size_t i = 0; i < ev->data.len; i++) {
        depth += ev->data.p[i] == '{' || ev->data.p[i] == '[';
        most = depth > most ? depth : most;
        depth -= ev->data.p[i] == '}' || ev->data.p[i] == ']';
    }
    CHECK(depth == 0 && most > 100);
    CHECK(gw_event_data_is_json(ev));
}

TEST(test_style_flyteadmin_has_no_event_for_an_action)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r = of_json(mem, GW_ACTION, "{}");

    for (int style = GW_STYLE_FLYTEADMIN; style < GW_STYLES; style++) {
        struct gw_event ev;
        struct gw_err err;

        CHECK(try_make(mem, (enum gw_style)style, 2, &r, &ev, &err));
        CHECK(err.kind == GW_ERR_REJECT && strstr(err.msg, gw_style_names[style]));
    }
}

/* ---- streams ---- */

TEST(test_style_flyteadmin_says_of_the_streams_what_they_say)
{
    struct gw_arena *mem = test_arena();
    int n = 0;

    for (int i = 0; i < GOLDEN_STREAMS; i++) {
        struct gw_str text = golden_file(mem, golden_streams[i]);

        for (struct gw_str line; (line = golden_line(&text)).p; n++) {
            struct gw_str json = golden_member(line, "request");
            struct gw_flyte_request r, back;
            struct gw_event *ev;
            struct gw_err err;

            CHECK(!gw_flyte_decode_json(mem, golden_kind(mem, line), json, &r, &err));
            ev = make(mem, GW_STYLE_FLYTEADMIN, 2, &r);
            CHECK(golden_same(mem, ev->data, json));
            CHECK(gw_flyte_from_event(ev, &back) && back.kind == r.kind);
            CHECK(same(gw_flyte_encode(mem, back.msg), gw_flyte_encode(mem, r.msg)));
        }
    }
    CHECK(n == 29 + 31 + 66);
}

/* ---- after a hook ---- */

static void change(struct gw_flyte_request *r)
{
    Flyteidl__Admin__WorkflowExecutionEventRequest *request = (void *)r->msg;

    request->event->producer_id = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "<a>"};
    r->changed = 1;
}

static struct gw_event *changed(struct gw_arena *mem, enum gw_style style, const char *data)
{
    const struct gw_style_conf conf = {.style = style, .source = GW_STR("/mine")};
    struct gw_flyte_request r = of_json(mem, GW_WORKFLOW, "{\"event\":{\"producerId\":\"p\"}}");
    struct gw_event *ev = make(mem, style, 2, &r);
    struct gw_err err;

    if (data) {
        ev->data_kind = GW_DATA_JSON;
        ev->data = gw_str_of(data);
    }
    change(&r);
    CHECK(!gw_style_data(&conf, &r, ev, &err));
    return ev;
}

TEST(test_style_flyteadmin_data_follows_a_changed_request)
{
    struct gw_arena *mem = test_arena();
    const struct gw_event *ev = changed(mem, GW_STYLE_FLYTEADMIN, NULL);

    CHECK(ev->data_kind == GW_DATA_BYTES);
    CHECK(same(ev->data, GW_STR("{\"event\":{\"producerId\":\"\\u003ca\\u003e\"}}")));

    ev = changed(mem, GW_STYLE_FLYTEADMIN_EXTERNAL, NULL);
    CHECK(same(ev->data, GW_STR("\x12\x05\x12\x03<a>")));

    /* version 2: what the script found stays around it */
    ev = changed(mem, GW_STYLE_FLYTEADMIN_V2,
                 "{\"rawEvent\":{\"producerId\":\"p\"},\"principal\":\"me\"}");
    CHECK(ev->data_kind == GW_DATA_BYTES);
    CHECK(same(ev->data,
               GW_STR("{\"rawEvent\":{\"producerId\":\"\\u003ca\\u003e\"},\"principal\":\"me\"}")));
}

/* The change may hide something, so what was there before is not sent. */
TEST(test_style_flyteadmin_v2_refuses_a_change_that_its_data_cannot_follow)
{
    static const char *const datas[] = {"{}", "{\"raw\":{}}", "[]", "text"};
    const struct gw_style_conf conf = {.style = GW_STYLE_FLYTEADMIN_V2};
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r = of_json(mem, GW_WORKFLOW, "{\"event\":{\"producerId\":\"p\"}}");
    struct gw_event *ev = make(mem, GW_STYLE_FLYTEADMIN_V2, 2, &r);
    struct gw_err err;

    change(&r);
    CHECK(gw_style_data(&conf, &r, ev, &err) && strstr(err.msg, "the data has no rawEvent"));
    ev->data_kind = GW_DATA_TEXT;
    for (size_t i = 0; i < sizeof(datas) / sizeof(*datas); i++) {
        ev->data = gw_str_of(datas[i]);
        CHECK(gw_style_data(&conf, &r, ev, &err) && strstr(err.msg, "the data has no rawEvent"));
    }
    ev->data = GW_STR("{\"rawEvent\":{}}");
    CHECK(!gw_style_data(&conf, &r, ev, &err));
    ((Flyteidl__Admin__WorkflowExecutionEventRequest *)(void *)r.msg)->event = NULL;
    CHECK(gw_style_data(&conf, &r, ev, &err) && strstr(err.msg, "the request has no event"));
}

TEST(test_style_verbatim_ends_with_the_next_value)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r =
        of_json(mem, GW_WORKFLOW, "{\"event\":{\"executionId\":{\"name\":\"\xef\xb7\x90\"}}}");
    struct gw_event *ev = make(mem, GW_STYLE_FLYTEADMIN, 2, &r);
    struct gw_str id = gw_event_text(ev, "id");
    struct gw_err err;

    CHECK(!gw_event_check(ev, &err) && !gw_event_check(gw_event_copy(ev, mem), &err));
    gw_event_set(ev, GW_STR("id"), id);
    CHECK(gw_event_check(ev, &err) && strstr(err.msg, "id: has a Unicode noncharacter"));
}

TEST(test_style_external_sends_a_time_that_has_no_text)
{
    struct gw_arena *mem = test_arena();
    struct gw_flyte_request r =
        of_bytes(mem, GW_WORKFLOW, GW_STR("\x12\x08\x22\x06\x10\x80\x94\xeb\xdc\x03"));
    struct gw_event *ev = make(mem, GW_STYLE_FLYTEADMIN_EXTERNAL, 2, &r);
    struct gw_err err;

    CHECK(!gw_event_text(ev, "time").p && same(ev->data, r.bytes));
    CHECK(!gw_event_check(ev, &err));
}
