/* What records become under one configuration and under another, and how that is told. */
#include "pipeline/diff.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "log/record.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct gw_problems problems;
static struct gw_buf report;
static struct gw_diff *diff;

static const struct gw_pipeline_conf *configure(const char *yaml)
{
    struct gw_pipeline_conf *c;
    struct gw_yaml *y;

    if (!problems.mem)
        problems.mem = gw_arena_new();
    c = gw_arena_zalloc(problems.mem, sizeof(*c));
    y = gw_yaml_parse("m.yaml",
                      gw_arena_printf(problems.mem, "name: p\npublisher: {type: 'null'}\n%s", yaml),
                      1, 1, &problems);
    CHECK(y);
    gw_fields_read(gw_pipeline_fields, y, c, &problems, "pipeline");
    c->source = "/gateway";
    c->lua_path = gw_arena_printf(problems.mem, "%s/lua", spec_root()).p;
    c->yaml = y;
    gw_pipeline_check(c, &problems);
    for (size_t i = 0; i < problems.n; i++)
        fprintf(stderr, "%s\n", problems.items[i].text);
    CHECK(!problems.n);
    return c;
}

static void script(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static void begin(const char *before, const char *after)
{
    struct gw_err err;

    gw_buf_init(&report, 1 << 20, NULL);
    diff = gw_diff_open(configure(before), configure(after), NULL, &err);
    if (!diff)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(diff);
}

static void scripts(const char *before, const char *after)
{
    static const char head[] = "local moongate = require 'moongate' ";
    char text[1000];

    snprintf(text, sizeof(text), "%s%s", head, before);
    script("before.lua", text);
    snprintf(text, sizeof(text), "%s%s", head, after);
    script("after.lua", text);
    begin("hooks: [before.lua]\n", "hooks: [after.lua]\n");
}

static void finish(void)
{
    gw_diff_close(diff);
    gw_buf_free(&report);
    gw_arena_free(problems.mem);
}

static void add_of(const char *type, const char *id, const char *data)
{
    struct gw_arena *mem = gw_arena_new();
    static uint64_t seq;
    struct gw_record r = {.kind = GW_OTHER, .key = GW_STR("k"), .at = {0, ++seq}};
    struct gw_event ev;
    struct gw_buf b;
    struct gw_err err;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), gw_str_of(type));
    if (data) {
        gw_event_set(&ev, GW_STR("datacontenttype"), GW_STR("application/json"));
        ev.data_kind = GW_DATA_JSON;
        ev.data = gw_str_of(data);
    }
    gw_buf_init(&b, 1 << 20, mem);
    gw_event_protobuf_put(&b, &ev);
    r.payload = gw_buf_str(&b);
    CHECK(!gw_diff_record(diff, &r, &err));
    gw_arena_free(mem);
}

static void add(const char *id, const char *data)
{
    add_of("t", id, data);
}

static int collect(void *ctx, struct gw_str text)
{
    gw_buf_put_str(ctx, text);
    return 0;
}

static const char *told(int json)
{
    struct gw_err err;

    gw_buf_clear(&report);
    CHECK(!gw_diff_report(diff, json, collect, &report, &err));
    gw_buf_putc(&report, '\0');
    return report.p;
}

/* The report has this; else it is shown. */
static void has(int json, const char *want)
{
    const char *text = told(json);

    if (!strstr(text, want))
        fprintf(stderr, "no %s in:\n%s\n", want, text);
    CHECK(strstr(text, want));
}

static void has_not(int json, const char *unwanted)
{
    CHECK(!strstr(told(json), unwanted));
}

TEST(test_diff_of_one_configuration_is_nothing)
{
    scripts("return function(e) e.a = moongate.uuid() e.b = moongate.rfc3339(moongate.now()) end",
            "return function(e) e.a = moongate.uuid() e.b = moongate.rfc3339(moongate.now()) "
            "if e.id == '2' then e.c = 'x' end end");
    for (int i = 0; i < 50; i++)
        add("1", "{\"n\":1}");
    has(1, "{\"records\":50,\"same\":50,\"changed\":0,");
    has(1, "\"same_failing\":0,");
    has(1, "\"attributes\":{}}\n");
    has_not(1, "\"seq\"");
    has_not(0, "@@");
    add("2", NULL);
    has(1, "\"attributes\":[{\"name\":\"c\",\"after\":\"x\"}]}\n");
    finish();
}

TEST(test_diff_counts_attributes_that_are_added_removed_and_changed)
{
    scripts("return function(e) e.old = 'x' e.both = 'a' end",
            "return function(e) e.both = 'b' e.team = e.id end");
    add("1", NULL);
    add("2", NULL);
    has(1, "\"records\":2,\"same\":0,\"changed\":2,");
    has(1, "\"old\":{\"added\":0,\"removed\":2,\"changed\":0}");
    has(1, "\"both\":{\"added\":0,\"removed\":0,\"changed\":2}");
    has(1, "\"team\":{\"added\":2,\"removed\":0,\"changed\":0}");
    has(1, "{\"name\":\"old\",\"before\":\"x\"}");
    has(1, "{\"name\":\"both\",\"before\":\"a\",\"after\":\"b\"}");
    has(1, "{\"name\":\"team\",\"after\":\"2\"}");
    has(0, "@@ 1 (other, seq ");
    has(0, "- old: x\n- both: a\n+ both: b\n+ team: 1\n");
    finish();
}

TEST(test_diff_tells_where_events_go_that_went_elsewhere)
{
    scripts("return function(e) moongate.route(e, {topic = 'a', headers = {x = '1'}}) end",
            "return function(e) moongate.route(e, {topic = 'b', key = 'k'}) end");
    add("1", NULL);
    has(1, "{\"name\":\"route.topic\",\"before\":\"a\",\"after\":\"b\"}");
    has(1, "{\"name\":\"route.key\",\"after\":\"k\"}");
    has(1, "{\"name\":\"route.headers\",\"before\":\"x: 1\"}");
    finish();
}

TEST(test_diff_of_equal_routes_is_nothing)
{
    scripts("return function(e) moongate.route(e, {topic = 'a'}) end",
            "return function(e) moongate.route(e, {topic = 'a'}) end");
    add("1", NULL);
    has(1, "\"same\":1,");
    finish();
}

TEST(test_diff_tells_what_is_filtered_and_fails_newly_and_no_longer)
{
    static const char *const old[] = {"ok", "quiet", "bad", "both"};

    scripts("return function(e) if e.id == 'quiet' then return false, 'hush' end "
            "if e.id == 'bad' then error('no') end if e.id == 'both' then error('a') end end",
            "return function(e) if e.id == 'ok' then return false, 'enough' end "
            "if e.id == 'new' then error('boom') end if e.id == 'both' then error('b') end end");
    for (int i = 0; i < 4; i++)
        add(old[i], NULL);
    add("new", NULL);
    has(1, "{\"records\":5,\"same\":1,\"changed\":0,\"newly_filtered\":1,"
           "\"no_longer_filtered\":1,\"newly_failing\":1,\"no_longer_failing\":1,");
    has(1, "\"same_failing\":1,");
    has(0, "newly filtered\n- published\n+ filtered: enough\n");
    has(0, "no longer filtered\n- filtered: hush\n+ published\n");
    has(0, "newly failing\n- published\n+ failed: hook_error: ");
    has(1, "boom");
    has(1, "{\"change\":\"no_longer_failing\",\"id\":\"bad\",");
    finish();
}

TEST(test_diff_goes_by_on_hook_error_and_event_types)
{
    script("h.lua", "return function(e) e.mark = 'x' error('no') end");
    begin("hooks: [h.lua]\non_hook_error: publish_unchanged\n", "event_types: [workflow]\n");
    add("1", NULL);
    has(0, "- published\n+ filtered: event_types\n");
    finish();
}

TEST(test_diff_goes_by_the_request_an_event_carries)
{
    script("h.lua", "return {event_types = {'task'}, on_event = function(e) e.mark = 'x' end}");
    begin("event_types: [task]\n", "event_types: [task]\nhooks: [h.lua]\n");
    add_of("com.flyte.resource.task", "1", NULL);
    add_of("com.flyte.resource.node", "2", NULL);
    has(1, "{\"records\":2,\"same\":1,\"changed\":1,");
    has(1, "\"mark\":{\"added\":1,");
    finish();
}

TEST(test_diff_pairs_events_by_id_and_counts_more_and_less)
{
    scripts("return function(e) local b = moongate.copy(e) b.id = 'b' local c = moongate.copy(e) "
            "c.id = 'c' c.x = '1' return {e, b, c} end",
            "return function(e) local c = moongate.copy(e) c.id = 'c' c.x = '2' return {c, e} "
            "end");
    add("a", NULL);
    has(1, "\"events_added\":0,\"events_removed\":1,");
    has(1, "\"x\":{\"added\":0,\"removed\":0,\"changed\":1}");
    has(1, "{\"change\":\"event_removed\",\"id\":\"b\",");
    has_not(1, "\"id\":{");
    has(0, "- one event less\n");
    finish();
}

TEST(test_diff_pairs_events_with_new_ids_by_place)
{
    scripts("return function(e) end", "return function(e) e.id = e.id .. '-2' end");
    add("a", NULL);
    has(1, "\"events_added\":0,\"events_removed\":0,");
    has(0, "@@ a (other");
    has(0, "- id: a\n+ id: a-2\n");
    finish();
}

TEST(test_diff_tells_where_json_data_differs)
{
    scripts("return function(e) end", "return function(e) local d = moongate.json.decode(e.data) "
                                      "d.a.b = 2 d.gone = nil d['x/y'] = {1, 2} "
                                      "d.list[3] = 'c' e.data = d end");
    add("a",
        "{\"a\":{\"b\":1,\"c\":true},\"gone\":[1],\"list\":[\"a\",\"b\"], \"same\" : \"\\u0041\"}");
    has(1, "\"data\":{\"added\":0,\"removed\":0,\"changed\":1}");
    has(1, "\"data\":[{\"pointer\":\"/a/b\",\"before\":1,\"after\":2},"
           "{\"pointer\":\"/gone\",\"before\":[1]},"
           "{\"pointer\":\"/list/2\",\"after\":\"c\"},"
           "{\"pointer\":\"/x~1y\",\"after\":[1,2]}]}");
    has(0, "- data /a/b: 1\n+ data /a/b: 2\n- data /gone: [1]\n+ data /list/2: \"c\"\n");
    finish();
}

TEST(test_diff_tells_sizes_of_data_that_is_no_json)
{
    scripts("return function(e) e.data = 'hello world' e.datacontenttype = 'text/plain' end",
            "return function(e) e.data = 'hello there!' e.datacontenttype = 'text/plain' end");
    add("a", NULL);
    has(0, "- data: 11 bytes of text\n+ data: 12 bytes of text, other from byte 6\n");
    has(1, "{\"from_byte\":\"6\",\"before\":\"11 bytes of text\",");
    finish();
}

TEST(test_diff_tells_fields_of_flyte_requests_although_data_is_protobuf)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request req;
    struct gw_record r = {.kind = GW_WORKFLOW, .key = GW_STR("k"), .at = {0, 7}};
    struct gw_err err;

    scripts("return function(e) end",
            "return function(e, request) request.event.producer_id = 'other' end");
    CHECK(!gw_flyte_decode_json(
        mem, GW_WORKFLOW,
        GW_STR(
            "{\"requestId\":\"r\",\"event\":{\"executionId\":{\"project\":\"p\",\"domain\":\"d\","
            "\"name\":\"n\"},\"producerId\":\"me\",\"phase\":\"RUNNING\",\"occurredAt\":"
            "\"2026-01-01T00:00:00Z\"}}"),
        &req, &err));
    r.payload = req.bytes;
    CHECK(!gw_diff_record(diff, &r, &err));
    has(0, "- data /event/producerId: \"me\"\n+ data /event/producerId: \"other\"\n");
    has(0, "(workflow, seq 7) @@\n");
    gw_arena_free(mem);
    finish();
}

TEST(test_diff_bounds_what_it_keeps_of_an_event)
{
    scripts("return function(e) end",
            "return function(e) local t = {} for i = 1, 300 do t[i] = i end "
            "e.data = {list = t, long = string.rep('x', 5000)} end");
    add("a", "{\"list\":[]}");
    has(1, "\"more\":");
    has(0, " more\n");
    CHECK(strlen(told(1)) < 20000);
    finish();
}

TEST(test_diff_of_a_script_that_does_not_load_says_where)
{
    struct gw_err err;

    script("after.lua", "return function(e)\n  e.x = = 1\nend");
    CHECK(!gw_diff_open(configure(""), configure("hooks: [after.lua]\n"), NULL, &err));
    CHECK(strstr(err.msg, "after.lua:2:"));
    gw_arena_free(problems.mem);
}

static int refuse(void *ctx, struct gw_str text)
{
    ++*(int *)ctx;
    return text.len ? -1 : 0;
}

TEST(test_diff_ends_the_report_when_it_is_not_taken)
{
    struct gw_err err;
    int calls = 0;

    scripts("return function(e) end", "return function(e) e.x = '1' end");
    add("1", NULL);
    add("2", NULL);
    CHECK(gw_diff_report(diff, 0, refuse, &calls, &err) && calls == 1);
    finish();
}

/* ---- against somebody else's events ---- */

static void begin_against(const char *yaml, uint64_t there)
{
    struct gw_err err;

    gw_buf_init(&report, 1 << 20, NULL);
    diff = gw_diff_open_against(configure(yaml), there, NULL, &err);
    if (!diff)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(diff);
}

/* A record of an event; theirs: what is there of it, NULL: nothing. */
static void against(const char *ours, const char *theirs)
{
    struct gw_arena *mem = gw_arena_new();
    static uint64_t seq;
    struct gw_record r = {.kind = GW_OTHER, .key = GW_STR("k"), .at = {0, ++seq}};
    struct gw_event ev, there;
    struct gw_buf b;
    struct gw_err err;

    gw_event_init(&ev, mem);
    gw_event_init(&there, mem);
    CHECK(!gw_event_json_read(&ev, gw_str_of(ours), &err));
    CHECK(!theirs || !gw_event_json_read(&there, gw_str_of(theirs), &err));
    gw_buf_init(&b, 1 << 20, mem);
    gw_event_protobuf_put(&b, &ev);
    r.payload = gw_buf_str(&b);
    CHECK(!gw_diff_against(diff, &r, theirs ? &there : NULL, &err));
    gw_arena_free(mem);
}

#define EVENT(more)                                                                                \
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"" more "}"

TEST(test_diff_against_takes_for_the_same_what_says_the_same)
{
    begin_against("", 4);
    against(EVENT(""), EVENT(""));
    against(EVENT(",\"time\":\"2026-11-24T10:00:00.5Z\""),
            EVENT(",\"time\":\"2026-11-24T11:00:00.500+01:00\""));
    against(EVENT(",\"datacontenttype\":\"application/json\",\"data\":{\"a\":1,\"b\":[true]}"),
            EVENT(",\"datacontenttype\":\"application/json\",\"data\":{ \"b\":[true], \"a\":1 }"));
    against(EVENT(",\"datacontenttype\":\"application/json\",\"data\":{\"a\":1}"),
            EVENT(",\"datacontenttype\":\"application/json\",\"data_base64\":\"eyJhIjoxfQ==\""));
    has(1, "{\"records\":4,\"events_there\":4,\"same\":4,\"changed\":0,\"only_here\":0,");
    has_not(1, "newly_filtered");
    has_not(1, "same_failing");
    has_not(0, "@@");
    finish();
}

TEST(test_diff_against_tells_what_differs)
{
    begin_against("set: {team: ml}\n", 4);
    against(EVENT(",\"time\":\"2026-11-24T10:00:00Z\",\"team\":\"ml\""),
            EVENT(",\"time\":\"2026-11-24T10:00:01Z\",\"team\":\"ml\""));
    against(EVENT(",\"data\":{\"a\":1}"), EVENT(",\"team\":\"ml\",\"data\":{\"a\":2}"));
    against(EVENT(",\"data\":{\"a\":1}"), EVENT(",\"team\":\"ml\""));
    against(EVENT(",\"datacontenttype\":\"a/b\",\"data_base64\":\"AAAA\""),
            EVENT(",\"team\":\"ml\",\"datacontenttype\":\"a/b\",\"data_base64\":\"AAEA\""));
    has(1, "\"same\":0,\"changed\":4,");
    has(1, "{\"name\":\"time\",\"before\":\"2026-11-24T10:00:01Z\",");
    has(1, "{\"pointer\":\"/a\",\"before\":2,\"after\":1}");
    has(1, "{\"name\":\"data\",\"after\":\"7 bytes\"}");
    has(1, "{\"from_byte\":\"1\",");
    finish();
}

TEST(test_diff_against_tells_what_is_published_on_one_side_only)
{
    static const char script_text[] =
        "return function(e) if e.type == 'quiet' then return false, 'hush' end "
        "if e.type == 'bad' then error('no') end end";
    struct gw_arena *mem = gw_arena_new();
    struct gw_event there;
    struct gw_err err;

    script("here.lua", script_text);
    begin_against("hooks: [here.lua]\n", 5);
    against(EVENT(""), NULL);
    against("{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/s\",\"type\":\"quiet\"}",
            EVENT(""));
    against("{\"specversion\":\"1.0\",\"id\":\"3\",\"source\":\"/s\",\"type\":\"quiet\"}", NULL);
    against("{\"specversion\":\"1.0\",\"id\":\"4\",\"source\":\"/s\",\"type\":\"bad\"}", EVENT(""));
    against("{\"specversion\":\"1.0\",\"id\":\"5\",\"source\":\"/s\",\"type\":\"bad\"}", NULL);
    gw_diff_repeated_here(diff);
    gw_diff_repeated_there(diff);
    gw_event_init(&there, mem);
    CHECK(!gw_event_json_read(&there, gw_str_of(EVENT("")), &err));
    CHECK(!gw_diff_only_there(diff, &there, 17, &err));
    gw_arena_free(mem);
    has(1, "{\"records\":6,\"events_there\":5,\"same\":0,\"changed\":0,\"only_here\":1,"
           "\"filtered_here\":1,\"failing_here\":2,\"repeated_here\":1,\"neither\":1,"
           "\"only_there\":1,\"repeated_there\":1,");
    has(0, " only here\n- not there\n+ published\n");
    has(0, " filtered here\n- published\n+ filtered: hush\n");
    has(0, " failing here\n- not there\n+ failed: hook_error: ");
    has(0, "@@ 1 (other, line 17) @@ only there\n");
    has(1, "{\"change\":\"only_there\",\"id\":\"1\",\"kind\":\"other\",\"line\":17}");
    finish();
}

/* Both tell one request, each in its own style: data is the same, whatever else is not. */
TEST(test_diff_against_holds_a_request_in_protobuf_beside_one_in_json)
{
    static const char json[] =
        "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/admin\",\"type\":"
        "\"com.flyte.resource.flyteidl.admin.NodeExecutionEventRequest\","
        "\"datacontenttype\":\"application/json\",\"data\":{\"event\":{\"id\":{\"nodeId\":\"%s\"},"
        "\"phase\":\"RUNNING\"}}}";
    struct gw_arena *mem = gw_arena_new();
    struct gw_flyte_request request;
    struct gw_record r = {.kind = GW_NODE, .key = GW_STR("k"), .at = {0, 1}};
    struct gw_event there;
    struct gw_err err;
    char text[1000];

    CHECK(!gw_flyte_decode_json(
        mem, GW_NODE, GW_STR("{\"event\":{\"id\":{\"nodeId\":\"n0\"},\"phase\":\"RUNNING\"}}"),
        &request, &err));
    r.payload = request.bytes;
    begin_against("", 2);
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), json, i ? "n1" : "n0");
        gw_event_init(&there, mem);
        CHECK(!gw_event_json_read(&there, gw_str_of(text), &err));
        CHECK(!gw_diff_against(diff, &r, &there, &err));
    }
    gw_arena_free(mem);
    has(1, "\"changed\":2,");
    has(1, "\"data\":{\"added\":0,\"removed\":0,\"changed\":1}");
    has(1, "{\"pointer\":\"/event/id/nodeId\",\"before\":\"n1\",\"after\":\"n0\"}");
    finish();
}
