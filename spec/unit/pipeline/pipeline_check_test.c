#include "pipeline/pipeline.h"

#include "base/arena.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "flyte/flyte.h"
#include "log/log.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct gw_pipeline_conf conf;

/* What is said of a pipeline, as "LINE:COLUMN: [warning: ]text\n". */
static const char *check(const char *yaml)
{
    static struct gw_problems p;
    static char out[4000];
    struct gw_yaml *y;
    size_t n = 0;

    p = (struct gw_problems){.mem = gw_arena_new()}; /* conf borrows from it */
    y = gw_yaml_parse("f", gw_str_of(yaml), 1, 1, &p);
    CHECK(y);
    memset(&conf, 0, sizeof(conf));
    gw_fields_read(gw_pipeline_fields, y, &conf, &p, "pipelines.p");
    conf.yaml = y;
    gw_pipeline_check(&conf, &p);
    out[0] = '\0';
    for (size_t i = 0; i < p.n && n < sizeof(out); i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%d:%d: %s%s\n", p.items[i].line,
                              p.items[i].column, p.items[i].severity ? "warning: " : "",
                              p.items[i].text);
    gw_arena_free(p.mem);
    return out;
}

#define P "name: p\npublisher: {type: 'null'}\n"

static int says(const char *yaml, const char *start)
{
    const char *said = check(yaml);
    const int yes = !strncmp(said, start, strlen(start)) && (*start || !*said);

    if (!yes)
        fprintf(stderr, "said: %s", said);
    return yes;
}

TEST(test_pipeline_check_knows_the_defaults)
{
    CHECK(says(P, ""));
    CHECK(conf.enabled && conf.start == GW_START_NEW && conf.workers == 1);
    CHECK(conf.max_in_flight == 1000 && conf.max_in_flight_bytes == 32 << 20);
    CHECK(conf.retry.initial_ms == 100 && conf.retry.max_ms == 30000);
    CHECK(conf.retry.give_up_after_ms == 0 && conf.on_hook_error == GW_DEAD_LETTER);
    CHECK(conf.hook_limits.instructions == 1000000 && conf.hook_limits.memory == 32 << 20);
    CHECK(conf.hook_limits.timeout_ms == 5000 && !conf.unordered && !conf.format.json);
    CHECK(conf.event_type_mask == (1U << GW_KINDS) - 1);
}

TEST(test_pipeline_check_of_the_name)
{
    CHECK(says("name: Team\npublisher: {type: 'null'}\n", "1:7: name: \"Team\" is not"));
    CHECK(says("name: ''\npublisher: {type: 'null'}\n", "1:7: name: \"\" is not"));
    CHECK(says("name: a-1_z\npublisher: {type: 'null'}\n", ""));
    CHECK(strstr(check("publisher: {type: 'null'}\n"), "name"));
}

TEST(test_pipeline_check_of_event_types)
{
    CHECK(says(P "event_types: [workflow, task]\n", ""));
    CHECK(conf.event_type_mask == (1U << GW_WORKFLOW | 1U << GW_TASK));
    CHECK(says(P "event_types: '*'\n", "") && conf.event_type_mask == (1U << GW_KINDS) - 1);
    CHECK(says(P "event_types: other\n", "") && conf.event_type_mask == 1U << GW_OTHER);
    CHECK(says(P "event_types: [task, wrkflow]\n",
               "3:21: event_types: \"wrkflow\" is none of all, *, workflow, node, task, action, "
               "other (did you mean \"workflow\"?)"));
}

TEST(test_pipeline_check_of_match)
{
    CHECK(says(P "match: {project: [a, 'b-*'], failed: true, team: x, attempt: 1}\n", ""));
    CHECK(says(P "match: {error_cod: x}\n", "3:9: match: \"error_cod\" is neither a field of flyte "
                                            "nor an attribute (did you mean \"error_code\"?)"));
    CHECK(says(P "match: {projct: x}\n", "3:9: warning: match: \"projct\" is no field of flyte"));
    CHECK(says(P "match: {team: {a: b}}\n", "3:15: match.team: expected a text"));
    CHECK(says(P "match: {team: []}\n", "3:15: match.team: an empty list"));
    CHECK(says(P "match: [a]\n", "3:8: match: expected a mapping"));
}

TEST(test_pipeline_check_of_rename_set_and_remove)
{
    CHECK(says(P "rename: {jsonschemaurl: dataschema}\nset: {team: ml, n: -5, ok: true}\n"
                 "remove: [subject, time]\n",
               ""));
    CHECK(says(P "rename: {Team: x}\n", "3:10: rename: \"Team\" cannot be an attribute"));
    CHECK(says(P "rename: {id: x}\n", "3:10: rename: id cannot be taken away"));
    CHECK(says(P "rename: {a: data}\n", "3:13: rename: \"data\" cannot be"));
    CHECK(says(P "set: {team_name: x}\n", "3:7: set: \"team_name\" cannot be an attribute"));
    CHECK(says(P "set: {n: 3000000000}\n", "3:10: set.n: an integer attribute has 32 bits"));
    CHECK(says(P "set: {n: '3000000000'}\n", ""));
    CHECK(says(P "set: {a: [1]}\n", "3:10: set.a: expected a text"));
    CHECK(says(P "set: {a: ~}\n", "3:10: set.a: expected a text"));
    CHECK(says(P "set: {time: yesterday}\n", "3:13: set.time: not an RFC 3339"));
    CHECK(says(P "set: {id: ''}\n", "3:11: set.id: cannot be empty"));
    CHECK(says(P "set: {specversion: '1.0'}\n", "3:7: set: \"specversion\" cannot be"));
    CHECK(says(P "remove: [a, source]\n", "3:13: remove: source cannot be removed"));
    CHECK(says(P "remove: [A]\n", "3:10: remove: \"A\" cannot be an attribute"));
}

TEST(test_pipeline_check_of_format_and_publisher)
{
    CHECK(says(P "format: {extensions: [traceparent, partitionkey]}\n", ""));
    CHECK(
        says(P "format: {extensions: [tracparent]}\n", "3:23: format.extensions: \"tracparent\""));
    CHECK(says(P "format: {mode: binary}\n", "3:16: format: publisher null has no binary mode"));
    CHECK(says("name: p\npublisher: {type: file, path: f}\nformat: {mode: binary}\n",
               "3:16: format: publisher file has no binary mode"));
    CHECK(says("name: p\npublisher: {type: file, path: f}\nformat: {encoding: protobuf}\n",
               "3:20: format: publisher file has JSON alone"));
    CHECK(says("name: p\npublisher: {type: sqs, queue_url: 'http://a/1/q', region: r}\n"
               "format: {mode: binary}\n",
               "3:16: format: publisher sqs has no binary mode"));
    CHECK(says("name: p\npublisher: {type: http, url: 'http://a/'}\n"
               "format: {mode: binary, encoding: protobuf}\n",
               "3:34: warning: format: encoding has no effect in binary mode"));
    CHECK(says("name: p\npublisher: {type: file, path: '-', rotate: {max_bytes: 1KiB}}\n",
               "2:12: rotate: standard output"));
    CHECK(says("name: p\npublisher: {type: kafka, brokers: b, topic: '{x}'}\n",
               "2:45: topic: flyte has no field"));
    CHECK(says(P "retry: {initial: 1m, max: 1s}\n", "3:8: retry: max is below initial"));
}

TEST(test_pipeline_check_of_delivery)
{
    CHECK(says(P "renamed_from: x\nrate: 5\ndead_letters: {max_bytes: 1KiB, keep: 1h}\n", ""));
    CHECK(says(P "dead_letters: {max_bytes: 0}\n", "3:27: pipelines.p.dead_letters.max_bytes"));
}

TEST(test_pipeline_check_refuses_what_is_not_built)
{
    static const char *const keys[] = {"rate: -1", "rate: 2000000", "dead_letters: {max: 1KiB}"};
    char yaml[200];

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        snprintf(yaml, sizeof(yaml), P "%s\n", keys[i]);
        CHECK(*check(yaml));
    }
    CHECK(*check("name: p\npublisher: {type: sns, topic_arn: x}\n"));
    CHECK(*check("name: p\npublisher: {type: file, path: f, routes: [a]}\n"));
}

TEST(test_pipeline_check_reads_anything_without_falling)
{
    static const char *const odd[] = {"a",
                                      "[]",
                                      "name: {a: b}\npublisher: x\nmatch: 7\n",
                                      "set: x\nremove: {a: b}\nrename: []\nformat: 3\nparams: 7\n",
                                      "publisher: {}\n",
                                      "publisher: {type: kafka}\n",
                                      "publisher: {type: file, rotate: 5}\nhooks: {a: b}\n"};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        CHECK(*check(odd[i]));
}

TEST(test_pipeline_check_knows_the_styles)
{
    CHECK(says(P "format: {style: flyteadmin, id_spacing: 1}", ""));
    CHECK(conf.format.style == GW_STYLE_FLYTEADMIN && conf.format.id_spacing == 1);
    CHECK(says(P "format: {style: flyteadmin-external}", ""));
    CHECK(conf.format.style == GW_STYLE_FLYTEADMIN_EXTERNAL && conf.format.id_spacing == 2);
    CHECK(says(P "format: {style: flytadmin}", "3:17: pipelines.p.format.style: "));
    CHECK(strstr(check(P "format: {style: flytadmin}"), "did you mean \"flyteadmin\"?"));
    CHECK(says(P "format: {id_spacing: 3}", "3:22: "));
    CHECK(says(P "format: {style: flyteadmin, data: json}",
               "3:35: warning: format: data has no effect in the style flyteadmin\n"));
    CHECK(says(P "format: {style: documented, data: json}", ""));
    CHECK(says(P "format: {id_spacing: 1}",
               "3:22: warning: format: id_spacing has no effect in the style documented\n"));
    CHECK(
        says(P "format: {style: flyteadmin-external, id_spacing: 1}",
             "3:50: warning: format: id_spacing has no effect in the style flyteadmin-external\n"));
    CHECK(says(P "format: {style: flyteadmin-v2, id_spacing: 1}", ""));
    CHECK(says(P "format: {style: flyteadmin-v2, enrich_all: true}", ""));
    CHECK(conf.format.style == GW_STYLE_FLYTEADMIN_V2 && conf.format.enrich_all);
    CHECK(says(P "format: {style: flyteadmin, enrich_all: true}",
               "3:41: warning: format: enrich_all has no effect in the style flyteadmin\n"));
}
