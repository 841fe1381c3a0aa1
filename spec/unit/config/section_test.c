/* What FlyteAdmin's own sections become. */
#include "config/config.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "config/section.h"
#include "publish/publish_kafka.h"
#include "test.h"
#include "tls_files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct gw_problems p;

static struct gw_config *load(const char *text)
{
    FILE *f;

    (void)mkdir("d", 0777);
    f = fopen("d/m.yaml", "w");
    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
    p = (struct gw_problems){.mem = gw_arena_new()};
    return gw_config_load("d/m.yaml", &p);
}

static void show(void)
{
    for (size_t i = 0; i < p.n; i++)
        fprintf(stderr, "%d:%d: %s: %s\n", p.items[i].line, p.items[i].column,
                gw_problem_level(&p.items[i]), p.items[i].text);
}

static struct gw_config *load_well(const char *text)
{
    struct gw_config *c = load(text);

    if (!c || p.warnings)
        show();
    CHECK(c && p.warnings == 0);
    return c;
}

static int has(int severity, int line, int column, const char *text)
{
    for (size_t i = 0; i < p.n; i++)
        if (p.items[i].severity == severity && p.items[i].line == line &&
            p.items[i].column == column && strstr(p.items[i].text, text))
            return 1;
    show();
    return 0;
}

static const struct gw_pipeline_conf *pipeline(const struct gw_config *c, size_t i)
{
    CHECK(i < c->pipelines.n);
    return (const struct gw_pipeline_conf *)c->pipelines.items + i;
}

static const struct gw_publish_kafka_conf *kafka(const struct gw_config *c, size_t i)
{
    CHECK(!strcmp(pipeline(c, i)->publisher.type, "kafka"));
    return pipeline(c, i)->publisher.conf;
}

static const unsigned three = 1U << GW_WORKFLOW | 1U << GW_NODE | 1U << GW_TASK;

/* The block of Flyte's documentation, with nothing but a version. */
#define BODY                                                                                       \
    "enable: true\n"                                                                               \
    "    kafka:\n"                                                                                 \
    "      brokers: 127.0.0.1:9092\n"                                                              \
    "      version: 2.1.0\n"                                                                       \
    "    eventsPublisher:\n"                                                                       \
    "      eventTypes:\n"                                                                          \
    "      - all\n"                                                                                \
    "      topicName: myTopic\n"                                                                   \
    "    type: kafka\n"

TEST(test_section_becomes_a_pipeline_however_it_is_spelt)
{
    static const char *const heads[] = {"cloudEvents:\n    ",
                                        "cloud_events:\n    ",
                                        "CLOUDEVENTS:\n    ",
                                        "cloud_events.yaml: |\n  cloudEvents:\n    ",
                                        "cloud_events.yaml: |\n  cloud_events:\n    ",
                                        "cloud_events.yaml:\n  cloudEvents:\n    ",
                                        "Cloud_Events.yaml: |\n  CloudEvents:\n    "};

    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        struct gw_buf text;
        struct gw_config *c;

        gw_buf_init(&text, 4096, NULL);
        gw_buf_printf(&text, "%s" BODY, heads[i]);
        gw_buf_putc(&text, '\0');
        c = load_well(text.p);
        CHECK(c->pipelines.n == 1 && c->sections.n == 1);
        CHECK(!strcmp(pipeline(c, 0)->name, "cloud_events"));
        CHECK(pipeline(c, 0)->format.style == GW_STYLE_FLYTEADMIN);
        CHECK(pipeline(c, 0)->event_type_mask == three && pipeline(c, 0)->enabled);
        CHECK(kafka(c, 0)->brokers.n == 1 && !kafka(c, 0)->sasl && !kafka(c, 0)->tls);
        CHECK(!strcmp(kafka(c, 0)->brokers.items[0], "127.0.0.1:9092"));
        CHECK(!strcmp(kafka(c, 0)->topic, "myTopic"));
        gw_config_free(c);
        gw_buf_free(&text);
    }
}

TEST(test_section_in_a_block_has_the_places_of_the_file)
{
    struct gw_config *c =
        load("# a file\ncloud_events.yaml: |\n\n      # text\n      cloudEvents:\n"
             "        enable: true\n        type: kafka\n        kafka: {brokers: "
             "'b:1'}\n        eventsPublisher: {eventTypes: all, topicName: t}\n");

    CHECK(c && p.warnings == 1);
    CHECK(has(GW_PROBLEM_WARNING, 8, 16, "cloudEvents.kafka.version is absent"));
    CHECK(has(GW_PROBLEM_NOTE, 5, 7, "cloudEvents: pipeline cloud_events sends what FlyteAdmin"));
    gw_config_free(c);
}

TEST(test_section_values_are_as_weak_as_flyteadmins)
{
    struct gw_config *c =
        load_well("cloudevents:\n  ENABLE: '1'\n  Type: KAFKA\n"
                  "  kafka: {Version: 2.1.0, brokers: 'a:1,b:2', saslconfig: {enabled: 1, "
                  "handshake: 'TRUE', user: u, password: 'p,q'}, tlsConfig: {}}\n"
                  "  eventspublisher: {topicname: 5, eventtypes: 'workflow,task'}\n"
                  "  reconnectAttempts: '5'\n  aws: {region: }\n  gcp:\n");

    CHECK(kafka(c, 0)->brokers.n == 2 && !strcmp(kafka(c, 0)->brokers.items[1], "b:2"));
    CHECK(!strcmp(kafka(c, 0)->topic, "5") && !kafka(c, 0)->tls && kafka(c, 0)->sasl);
    CHECK(!strcmp(kafka(c, 0)->sasl->mechanism, "PLAIN"));
    CHECK(!strcmp(kafka(c, 0)->sasl->username, "u"));
    CHECK(!strcmp(kafka(c, 0)->sasl->password, "p,q"));
    CHECK(pipeline(c, 0)->event_type_mask == (1U << GW_WORKFLOW | 1U << GW_TASK));
    gw_config_free(c);
}

TEST(test_section_broker_has_no_white_space_around_it)
{
    struct gw_config *c = load(
        "cloudEvents: {enable: true, type: kafka, kafka: {version: 2.1.0, brokers: 'a:1, b:2 '}, "
        "eventsPublisher: {topicName: t, eventTypes: '*'}}\n");

    CHECK(c && p.warnings == 1 && !strcmp(kafka(c, 0)->brokers.items[1], "b:2"));
    gw_config_free(c);
}

#define KAFKA(more)                                                                                \
    "cloudEvents: {enable: true, type: kafka, kafka: {version: 2.1.0, brokers: 'b:1'}, "           \
    "eventsPublisher: {topicName: t, eventTypes: all" more

static enum gw_style style_of(const char *text, const char *note)
{
    struct gw_config *c = load_well(text);
    enum gw_style style = (enum gw_style)pipeline(c, 0)->format.style;

    CHECK(has(GW_PROBLEM_NOTE, 1, 1, note));
    CHECK(c->sections.n == 1 && strstr(c->sections.items[0], note));
    gw_config_free(c);
    return style;
}

TEST(test_section_version_and_style_say_what_is_sent)
{
    CHECK(style_of(KAFKA("}}\n"), "what FlyteAdmin really sends (cloudEventVersion v1)") ==
          GW_STYLE_FLYTEADMIN);
    CHECK(style_of(KAFKA("}, cloudEventVersion: v1}\n"), "really sends (cloudEventVersion v1)") ==
          GW_STYLE_FLYTEADMIN);
    CHECK(style_of(KAFKA("}, cloudEventVersion: v2}\nflyteadmin: {address: 'a:1'}\n"),
                   "really sends with cloudEventVersion v2") == GW_STYLE_FLYTEADMIN_V2);
    CHECK(style_of(KAFKA("}, style: documented}\n"), "that Flyte's documentation promises") ==
          GW_STYLE_DOCUMENTED);
    CHECK(style_of(KAFKA("}, style: documented, cloudEventVersion: v2}\n"),
                   "that Flyte's documentation promises") == GW_STYLE_DOCUMENTED);
    CHECK(style_of(KAFKA("}, style: flyteadmin}\n"), "FlyteAdmin really sends") ==
          GW_STYLE_FLYTEADMIN);
}

TEST(test_section_of_external_events_sends_the_requests)
{
    struct gw_config *c = load_well(
        "external_events:\n  enable: true\n  type: aws\n  aws: {region: eu-west-1}\n"
        "  eventsPublisher: {topicName: 'arn:aws:sns:eu-west-1:1:t', eventTypes: [workflow]}\n");

    CHECK(c->pipelines.n == 1 && !strcmp(pipeline(c, 0)->name, "external_events"));
    CHECK(!strcmp(pipeline(c, 0)->publisher.type, "sns"));
    CHECK(pipeline(c, 0)->format.style == GW_STYLE_FLYTEADMIN_EXTERNAL);
    CHECK(pipeline(c, 0)->event_type_mask == 1U << GW_WORKFLOW);
    CHECK(
        has(GW_PROBLEM_NOTE, 1, 1, "external_events: pipeline external_events sends the requests"));
    gw_config_free(c);
}

TEST(test_section_has_the_spacing_of_ids_that_it_says)
{
    struct gw_config *c = load_well(KAFKA("}, id_spacing: 1}\n"));

    CHECK(pipeline(c, 0)->format.id_spacing == 1);
    gw_config_free(c);
    c = load_well(KAFKA("}}\n"));
    CHECK(pipeline(c, 0)->format.id_spacing == 2);
    gw_config_free(c);
}

TEST(test_section_v2_enriches_all_workflow_events_if_it_says_so)
{
    struct gw_config *c = load_well("flyteadmin: {address: 'a:1'}\n" KAFKA(
        ", enrichAllWorkflowEventTypes: 1}, cloudEventVersion: "
        "v2}\n"));

    CHECK(pipeline(c, 0)->format.enrich_all == 1);
    gw_config_free(c);
    c = load_well("flyteadmin: {address: 'a:1'}\n" KAFKA("}, cloudEventVersion: v2}\n"));
    CHECK(pipeline(c, 0)->format.enrich_all == 0);
    gw_config_free(c);
}

TEST(test_section_v2_sends_all_kinds_whatever_event_types_says)
{
    struct gw_config *c =
        load_well("flyteadmin: {address: 'a:1'}\ncloudEvents:\n  enable: true\n  type: kafka\n"
                  "  cloudEventVersion: v2\n  kafka: {version: 2.1.0, brokers: 'b:1'}\n"
                  "  eventsPublisher: {topicName: t, eventTypes: [task]}\n");

    CHECK(pipeline(c, 0)->event_type_mask == three);
    CHECK(has(GW_PROBLEM_NOTE, 7, 47, "FlyteAdmin does not read them with cloudEventVersion v2"));
    gw_config_free(c);
}

TEST(test_section_notes_say_what_flyteadmin_would_do)
{
    struct gw_config *c = load_well(
        "cloudEvents:\n  enable: true\n  type: kafka\n  kafka:\n    version: 2.1.0\n"
        "    brokers: b:1\n    saslConfig: {enabled: true, handshake: false, user: u, password: "
        "p}\n  reconnectAttempts: 3\n  reconnectDelaySeconds: 3\n  eventsPublisher:\n    "
        "topicName: "
        "t\n    eventTypes: [task]\n    enrichAllWorkflowEventTypes: true\n");

    CHECK(has(GW_PROBLEM_NOTE, 7, 44, "saslConfig.handshake: false: FlyteAdmin sends"));
    CHECK(has(GW_PROBLEM_NOTE, 8, 22, "reconnectAttempts: FlyteAdmin does not read it for Kafka"));
    CHECK(has(GW_PROBLEM_NOTE, 9, 26, "reconnectDelaySeconds: "));
    CHECK(has(GW_PROBLEM_NOTE, 12, 17, "FlyteAdmin never sends the first event of a task"));
    CHECK(has(GW_PROBLEM_NOTE, 13, 34, "enrichAllWorkflowEventTypes: read with"));
    gw_config_free(c);
}

TEST(test_section_stands_next_to_pipelines)
{
    struct gw_config *c =
        load_well("pipelines: [{name: a, publisher: {type: 'null'}}]\n" KAFKA("}}\n"));

    CHECK(c->pipelines.n == 2 && !strcmp(pipeline(c, 0)->name, "a"));
    CHECK(!strcmp(pipeline(c, 1)->name, "cloud_events"));
    gw_config_free(c);
    c = load("cloudEvents: {enable: false}\npipelines: [{name: a, publisher: {type: 'null'}}]\n");
    CHECK(c && p.warnings == 0 && c->pipelines.n == 1 && c->sections.n == 0);
    CHECK(has(GW_PROBLEM_NOTE, 1, 23, "FlyteAdmin sends nothing, and no pipeline is made"));
    gw_config_free(c);
}

TEST(test_section_alone_that_makes_none_never_becomes_the_default)
{
    CHECK(!load("cloudEvents: {enable: false}\n") && p.errors == 1);
    gw_arena_free(p.mem);
    CHECK(!load("external_events: {enable: false}\ncloud_events: {enable: false}\n"));
    CHECK(p.errors == 1);
    gw_arena_free(p.mem);
    CHECK(!load("cloud_events:\n") && p.errors == 1 && p.warnings == 1);
    gw_arena_free(p.mem);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static void add_file(void *ctx, const struct gw_pipeline_conf *of, const char *path)
{
    char *all = ctx;

    snprintf(all + strlen(all), 200, "%s=%s ", of ? of->name : "-", path);
}

static const char with_files[] =
    "cloudEvents:\n  enable: true\n  type: kafka\n  kafka:\n    version: 2.1.0\n    brokers: b:1\n"
    "    saslConfig: {enabled: true, handshake: true, user: u, passwordPath: secret}\n"
    "    tlsConfig: {enabled: true, certPath: c.pem, keyPath: k.pem, insecureSkipVerify: true}\n"
    "  eventsPublisher: {topicName: t, eventTypes: all}\n";

TEST(test_section_password_is_what_its_file_holds_and_is_watched)
{
    char all[1000] = "";
    struct gw_config *c;

    CHECK(!mkdir("d", 0777));
    write_file("d/secret", " \n\tp q \r\n\n");
    tls_authority_free(tls_certificate("d/c", NULL, NULL, 30));
    CHECK(!rename("d/c.key", "d/k.pem"));
    c = load_well(with_files);
    CHECK(!strcmp(kafka(c, 0)->sasl->password, "p q"));
    CHECK(!strcmp(kafka(c, 0)->tls->cert, "d/c.pem") && !strcmp(kafka(c, 0)->tls->key, "d/k.pem"));
    CHECK(!kafka(c, 0)->tls->verify && !kafka(c, 0)->tls->ca);
    gw_config_files(c, add_file, all);
    CHECK(!strcmp(all, "cloud_events=d/secret cloud_events=d/c.pem cloud_events=d/k.pem "));
    gw_config_free(c);
}

/* So that a new password alone is no other configuration (cmd/reload.c). */
TEST(test_section_with_a_new_password_in_its_file_says_the_same)
{
    struct gw_config *a, *b;
    struct gw_problems first;

    CHECK(!mkdir("d", 0777));
    write_file("d/secret", "one");
    tls_authority_free(tls_certificate("d/c", NULL, NULL, 30));
    CHECK(!rename("d/c.key", "d/k.pem"));
    a = load_well(with_files);
    first = p;
    write_file("d/secret", "two");
    b = load_well(with_files);
    CHECK(gw_yaml_same(pipeline(a, 0)->yaml, pipeline(b, 0)->yaml));
    CHECK(!gw_pipeline_same(pipeline(a, 0), pipeline(b, 0)));
    gw_arena_free(first.mem);
    gw_config_free(b);
}

TEST(test_section_certificate_is_shown_only_with_both_files)
{
    struct gw_config *c = load(
        "cloudEvents: {enable: true, type: kafka, kafka: {version: 2.1.0, brokers: 'b:1', "
        "tlsConfig: {enabled: true, keyPath: /k.pem}}, eventsPublisher: {topicName: t, eventTypes: "
        "all}}\n");

    CHECK(c && p.warnings == 1 && kafka(c, 0)->tls && !kafka(c, 0)->tls->key);
    CHECK(kafka(c, 0)->tls->verify);
    gw_config_free(c);
}

/* ---- what stands beside it ---- */

/* The keys of FlyteAdmin's own configuration, and values that would be errors of ours. */
static const char flyte_file[] =
    "server: {httpPort: 8088, grpc: {port: 8089}}\nauth: {authorizedUris: [\"${NOT_SET}\"]}\n"
    "flyteadmin: {roleNameKey: x, metadataStoragePrefix: [a]}\nadmin: {endpoint: 'dns:///a'}\n"
    "database: {postgres: {port: 1}}\nscheduler: {}\nremoteData: {}\nLogger: {level: 5}\n"
    "notifications: {type: local, publisher: {topicName: foo}, emailer: {subject: \"{{ name "
    "}}\"}}\n"
    "domains: [{id: a, name: a}]\nqueues: {}\ntask_resources: {}\ntask_type_whitelist: {}\n"
    "cluster_resources: {}\nqualityOfService: {}\nnamespace_mapping: {template: \"{{ x }}\"}\n"
    "storage: {}\nclusters: {}\nclusterPools: {}\nregistration: {}\notel: {}\nprof: {}\n"
    "propeller: {}\nplugins: {}\nevent: {}\ncatalog-cache: {}\nmanager: {}\ntasks: {}\n";

/* Those of the chart's values. */
static const char chart_file[] =
    "flyteadmin: {enabled: true, replicaCount: 1, image: {tag: v1}}\nflytescheduler: {}\n"
    "datacatalog: {}\nflyteconnector: {}\nflytepropeller: {}\nflyteconsole: {}\n"
    "deployRedoc: false\nsecrets: {}\nwebhook: {}\ncommon: {}\nstorage: {}\ndb: {}\n"
    "configmap: {admin: {admin: {endpoint: a}}}\nworkflow_scheduler: {}\n"
    "workflow_notifications: {enabled: false, config: {}}\nexternal_events: {enable: false}\n"
    "cluster_resource_manager: {}\nsparkoperator: {}\ndaskoperator: {}\ndatabricks: {}\n"
    "userSettings: {accountNumber: \"<NUMBER>\"}\n";

static void check_beside(const char *rest)
{
    struct gw_buf text;
    struct gw_config *c;

    gw_buf_init(&text, 16384, NULL);
    gw_buf_puts(&text, rest);
    gw_buf_puts(&text, KAFKA("}}\n"));
    gw_buf_putc(&text, '\0');
    c = load_well(text.p);
    CHECK(c->pipelines.n == 1 && !c->flyteadmin && !strcmp(c->admin.listen, "127.0.0.1:9090"));
    CHECK(!strcmp(c->ingest->grpc->listener.listen, "127.0.0.1:8089"));
    gw_config_free(c);
    gw_buf_free(&text);
}

TEST(test_section_in_flyteadmins_file_and_in_the_charts_values)
{
    check_beside(flyte_file);
    check_beside(chart_file);
}

TEST(test_section_in_flyteadmins_file_that_is_text)
{
    struct gw_config *c = load_well(
        "cloud_events.yaml: |\n  server: {httpPort: 1}\n  " KAFKA("}}\n") "server.yaml: |\n  x\n");

    CHECK(c->pipelines.n == 1);
    gw_config_free(c);
}

TEST(test_section_alone_makes_others_keys_known)
{
    CHECK(!load("server: {httpPort: 1}\nflyteadmin: {roleNameKey: x}\n"));
    CHECK(p.errors == 2 && has(GW_PROBLEM_ERROR, 1, 1, "unknown key \"server\""));
    CHECK(has(GW_PROBLEM_ERROR, 2, 14, "flyteadmin: unknown key \"roleNameKey\""));
    gw_arena_free(p.mem);
}

TEST(test_section_beside_keys_of_ours_leaves_them_ours)
{
    struct gw_config *c =
        load_well("flyteadmin: {address: 'a:1'}\nadmin: {listen: '127.0.0.1:1'}\nlog: {path: x}\n"
                  "source: /s\nshutdown_timeout: 1s\ningest: {grpc: {}}\n" KAFKA("}}\n"));

    CHECK(!strcmp(c->flyteadmin->address, "a:1") && !strcmp(c->admin.listen, "127.0.0.1:1"));
    CHECK(!strcmp(c->log.path, "d/x") && !strcmp(c->source, "/s") && !c->ingest->http);
    gw_config_free(c);
}

/* A variable that is not set is an error wherever it stands in what is ours. */
TEST(test_section_reads_variables_and_tells_which_is_missing)
{
    CHECK(!load(
        "x-y:\nserver: ${NOT_SET}\n" KAFKA(", enrichAllWorkflowEventTypes: \"${NOT_SET}\"}}\n")));
    CHECK(p.errors == 2 && has(GW_PROBLEM_ERROR, 1, 1, "unknown key \"x-y\""));
    CHECK(has(GW_PROBLEM_ERROR, 3, 162, "NOT_SET"));
    gw_arena_free(p.mem);
}

/* ---- types whose publishers are still to come ---- */

static const char *text_at(const struct gw_yaml *y, const char *path)
{
    char name[40];

    for (size_t len; y && *path; path += len + (path[len] == '.')) {
        len = strcspn(path, ".");
        snprintf(name, sizeof(name), "%.*s", (int)len, path);
        y = gw_yaml_get(y, name);
    }
    return y && y->type == GW_YAML_SEQ && y->n ? y->values[0].text.p : y ? y->text.p : "";
}

/* A section on its way, as sections.c would fill it. */
static struct gw_yaml *map(const char *yaml, const char *type, int external)
{
    struct gw_flyteadmin_conf *conf;
    struct gw_section s = {.name = external ? "externalEvents" : "cloudEvents",
                           .pipeline = external ? "external_events" : "cloud_events",
                           .external = external,
                           .style = external ? GW_STYLE_FLYTEADMIN_EXTERNAL : GW_STYLE_FLYTEADMIN,
                           .kinds = {0, 1, 0}};

    p = (struct gw_problems){.mem = gw_arena_new()};
    conf = gw_arena_zalloc(p.mem, sizeof(*conf));
    s.key = s.yaml = gw_yaml_parse("", gw_str_of(yaml), 1, 1, &p);
    s.conf = conf;
    gw_fields_read(external ? gw_external_events_fields : gw_cloud_events_fields, s.yaml, conf, &p,
                   "");
    for (size_t i = 0; !s.type || strcmp(s.type->name, type) != 0; i++)
        CHECK((s.type = gw_section_type_at(i)));
    CHECK(p.n == 0);
    return gw_section_map(&s, 0, p.mem);
}

TEST(test_section_of_every_type_is_a_pipeline)
{
    const struct gw_yaml *y =
        map("aws: {region: r}\neventsPublisher: {topicName: 'arn:x'}\n", "aws", 0);

    CHECK(!strcmp(text_at(y, "name"), "cloud_events") &&
          !strcmp(text_at(y, "event_types"), "node"));
    CHECK(!strcmp(text_at(y, "format.style"), "flyteadmin"));
    CHECK(!strcmp(text_at(y, "publisher.type"), "sns"));
    CHECK(!strcmp(text_at(y, "publisher.topic_arn"), "arn:x"));
    CHECK(!strcmp(text_at(y, "publisher.region"), "r"));
    gw_arena_free(p.mem);
    y = map("gcp: {projectId: p}\neventsPublisher: {topicName: t}\n", "gcp", 1);
    CHECK(!strcmp(text_at(y, "name"), "external_events"));
    CHECK(!strcmp(text_at(y, "format.style"), "flyteadmin-external"));
    CHECK(!strcmp(text_at(y, "publisher.type"), "pubsub"));
    CHECK(!strcmp(text_at(y, "publisher.project"), "p"));
    CHECK(!strcmp(text_at(y, "publisher.topic"), "t"));
    gw_arena_free(p.mem);
    y = map(
        "nats: {servers: ' a:1, b:2', userAuthentication: {enabled: true, user: u, password: q}, "
        "tokenAuthentication: {enabled: false, token: t}}\neventsPublisher: {topicName: s}\n",
        "nats", 0);
    CHECK(!strcmp(text_at(y, "publisher.type"), "nats"));
    CHECK(!strcmp(text_at(y, "publisher.servers"), "a:1"));
    CHECK(!strcmp(text_at(y, "publisher.subject"), "s"));
    CHECK(!strcmp(text_at(y, "publisher.username"), "u"));
    CHECK(!strcmp(text_at(y, "publisher.password"), "q"));
    CHECK(!strcmp(text_at(y, "publisher.token"), ""));
    gw_arena_free(p.mem);
}
