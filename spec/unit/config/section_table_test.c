/* Broken sections of FlyteAdmin's, and what is said of each. ^ stands before the place. */
#include "config/config.h"

#include "base/arena.h"
#include "base/problems.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum level { E, W }; /* error, warning */

#define ON                "cloudEvents: {enable: true, type: kafka, "
#define TO                "eventsPublisher: {topicName: t, eventTypes: all}"
#define AT                "kafka: {version: 2.1.0, brokers: 'b:9092'}"
#define PUB(more)         ON AT ", eventsPublisher: {topicName: t, " more "}}\n"
#define TOPIC(text)       ON AT ", eventsPublisher: {eventTypes: all, topicName: " text "}}\n"
#define KAFKA(more)       ON TO ", kafka: {" more "}}\n"
#define BROKERS(text)     ON TO ", kafka: {version: 2.1.0, brokers: " text "}}\n"
#define WITH(key, more)   ON TO ", kafka: {version: 2.1.0, brokers: 'b:1', " key ": {" more "}}}\n"
#define SASL(more)        WITH("saslConfig", more)
#define USER              "enabled: true, handshake: true, user: u, password: p"
#define TLS(more)         WITH("tlsConfig", more)
#define ALL(more)         ON AT ", " TO ", " more "}\n"
#define CLOUD(type, more) "cloudEvents: {enable: true, type: " type ", " more "}\n"
#define EXTERNAL(more)    "externalEvents: {enable: true, " TO ", " more "}\n" OTHER
#define OTHER             "pipelines: [{name: a, publisher: {type: 'null'}}]\n"
#define NOTHING           "FlyteAdmin sends nothing, and no pipeline is made"
#define PUBLISHER         "cloudEvents.eventsPublisher."
#define SEPARATE          "Flyte's documentation asks for separate "

static const struct {
    const char *yaml;
    enum level level;
    const char *text;
    int more; /* other problems may stand beside it */
} table[] = {
    {"cloudEvents: {enable: true, type: '^${GW_NOT_SET}', " AT ", " TO "}\n", E,
     "${GW_NOT_SET}: this environment variable is not set, and there is no default", 0},
    /* files without a section */
    {"^cloud_events.yaml: ''\n" OTHER, W, "cloud_events.yaml: there is no section in it: " NOTHING,
     0},
    {"^cloud_events.yaml: |\n  # off\n" OTHER, W,
     "cloud_events.yaml: there is no section in it: " NOTHING, 0},
    {"^external_events.yaml:\n" OTHER, W,
     "external_events.yaml: there is no section in it: " NOTHING, 0},
    {"^cloud_events.yaml: {server: {httpPort: 1}}\n" OTHER, W,
     "cloud_events.yaml: there is no section in it: " NOTHING, 0},
    /* misspelt keys */
    {"cloudEvents: {^enabel: true, type: kafka, " AT ", " TO "}\n", E,
     "cloudEvents: unknown key \"enabel\" (did you mean \"enable\"?)", 0},
    {ON TO ", kafka: {version: 2.1.0, ^brokrs: 'b:1'}}\n", E,
     "cloudEvents.kafka: unknown key \"brokrs\" (did you mean \"brokers\"?)", 0},
    {SASL(USER ", ^passwort: q"), E,
     "cloudEvents.kafka.saslConfig: unknown key \"passwort\" (did you mean \"password\"?)", 0},
    {TLS("^insecureSkipVerfy: true"), E,
     "cloudEvents.kafka.tlsConfig: unknown key \"insecureSkipVerfy\" (did you mean "
     "\"insecureSkipVerify\"?)",
     0},
    {ON AT ", eventsPublisher: {^topicNme: t, eventTypes: all}}\n", E,
     "cloudEvents.eventsPublisher: unknown key \"topicNme\" (did you mean \"topicName\"?)", 0},
    {PUB("^eventType: all"), E,
     "cloudEvents.eventsPublisher: unknown key \"eventType\" (did you mean \"eventTypes\"?)", 0},
    {ALL("^cloudEventsVersion: v1"), E,
     "cloudEvents: unknown key \"cloudEventsVersion\" (did you mean \"cloudEventVersion\"?)", 0},
    {ALL("^reconectAttempts: 1"), E,
     "cloudEvents: unknown key \"reconectAttempts\" (did you mean \"reconnectAttempts\"?)", 0},
    {ALL("aws: {^regon: x}"), E,
     "cloudEvents.aws: unknown key \"regon\" (did you mean \"region\"?)", 0},
    {ALL("gcp: {^project: x}"), E,
     "cloudEvents.gcp: unknown key \"project\" (did you mean "
     "\"projectId\"?)",
     0},
    {ALL("nats: {^server: x}"), E,
     "cloudEvents.nats: unknown key \"server\" (did you mean \"servers\"?)", 0},
    {ALL("nats: {userAuthentication: {^pasword: x}}"), E,
     "cloudEvents.nats.userAuthentication: unknown key \"pasword\" (did you mean \"password\"?)",
     0},
    {EXTERNAL("type: local, ^kafka: {}"), E, "externalEvents: unknown key \"kafka\"", 1},
    {EXTERNAL("type: local, ^cloudEventVersion: v1"), E,
     "externalEvents: unknown key \"cloudEventVersion\"", 1},
    {"^cloudEvent: {enable: true}\nexternal_events: {enable: false}\n" OTHER, E,
     "unknown key \"cloudEvent\": neither Moongate's nor FlyteAdmin's or its chart's (did you mean "
     "\"cloudEvents\"?)",
     0},
    {ALL("style: documented") "^notificatons: {}\n", E,
     "unknown key \"notificatons\": neither Moongate's nor FlyteAdmin's or its chart's (did you "
     "mean \"notifications\"?)",
     0},
    {ALL("style: documented") "flyteadmin: {address: 'a:1', ^roleNameKey: x}\n", E,
     "flyteadmin: unknown key \"roleNameKey\"", 0},
    {ALL("style: documented") "admin: {^listn: 'a:1'}\n", E,
     "admin: unknown key \"listn\" (did you mean \"listen\"?)", 0},
    /* values of another type */
    {"cloudEvents: ^5\n" OTHER, E, "cloudEvents: expected a mapping, not \"5\"", 0},
    {"cloudEvents: ^[a]\n" OTHER, E, "cloudEvents: expected a mapping, not a list", 0},
    {ON TO ", kafka: ^5}\n", E, "cloudEvents.kafka: expected a mapping, not \"5\"", 0},
    {ON TO ", kafka: ^[{version: 2.1.0}]}\n", E,
     "cloudEvents.kafka: expected a mapping, not a list", 0},
    {"cloudEvents: {enable: ^yes, type: kafka}\n" OTHER, E,
     "cloudEvents.enable: expected true or false, not \"yes\"", 0},
    {"cloudEvents: {enable: ^[true], type: kafka}\n" OTHER, E,
     "cloudEvents.enable: expected true or false, not a list", 0},
    {"cloudEvents: {enable: true, type: ^[kafka]}\n" OTHER, E,
     "cloudEvents.type: expected text, not a list", 0},
    {TOPIC("^2026-01-01"), E,
     PUBLISHER "topicName: 2026-01-01 is a date for FlyteAdmin, which does not start with it: "
               "quote it",
     0},
    {TOPIC("^{a: b}"), E, PUBLISHER "topicName: expected text, not a mapping", 0},
    {BROKERS("^{a: 1}"), E, "cloudEvents.kafka.brokers: expected a list, not a mapping", 0},
    {BROKERS("[^[a]]"), E, "cloudEvents.kafka.brokers[0]: expected text, not a list", 0},
    {ALL("reconnectAttempts: ^many"), E,
     "cloudEvents.reconnectAttempts: expected a whole number, not \"many\"", 0},
    {ALL("reconnectDelaySeconds: ^10s"), E,
     "cloudEvents.reconnectDelaySeconds: expected a whole number, not \"10s\"", 0},
    {SASL("enabled: true, handshake: true, user: ^0123, password: p"), W,
     "cloudEvents.kafka.saslConfig.user: read as FlyteAdmin reads it, as another text than what "
     "stands here, 83: quote it if that is meant",
     0},
    {SASL("enabled: true, handshake: true, user: u, password: ^0123"), W,
     "cloudEvents.kafka.saslConfig.password: read as FlyteAdmin reads it, as another text than "
     "what stands here: quote it if that is meant",
     0},
    /* twice */
    {"cloudEvents: {enable: true, ^Enable: false}\n" OTHER, E,
     "cloudEvents.Enable: stands here twice", 0},
    {ALL("style: documented") "^cloud_events: {enable: true}\n", E,
     "cloud_events: the section stands at d/m.yaml:1:1 already, as cloudEvents", 0},
    {ALL("style: documented") "cloud_events.yaml: |\n  ^cloudEvents: {enable: true}\n", E,
     "cloudEvents: the section stands at d/m.yaml:1:1 already, as cloudEvents", 0},
    {"cloudEvents: {enable: false}\n^cloudEvents: {enable: false}\n" OTHER, E,
     "duplicate key \"cloudEvents\", first on line 1", 0},
    {"pipelines: [{name: cloud_events, publisher: {type: 'null'}}]\n^cloudEvents: {enable: true, "
     "type: kafka, style: documented, " AT ", " TO "}\n",
     E, "pipelines.cloud_events: two pipelines have this name, the other stands at d/m.yaml:1:20",
     0},
    /* nothing to be sent */
    {"^cloudEvents: {type: kafka, " AT ", " TO "}\n" OTHER, W,
     "cloudEvents.enable is absent, which is false: " NOTHING, 0},
    {"^cloudEvents: {enable: true}\n" OTHER, W,
     "cloudEvents.type is absent, which is local: " NOTHING, 0},
    {CLOUD("^local", TO) OTHER, W, "cloudEvents.type: local: " NOTHING, 0},
    {CLOUD("^sandbox", TO) OTHER, W, "cloudEvents.type: sandbox: " NOTHING, 0},
    {CLOUD("^kafak", TO) OTHER, W,
     "cloudEvents.type: FlyteAdmin has no type \"kafak\" here: it sends nothing, and no pipeline "
     "is made (did you mean \"kafka\"?)",
     0},
    {CLOUD("^5", TO) OTHER, W,
     "cloudEvents.type: FlyteAdmin has no type \"5\" here: it sends nothing, and no pipeline is "
     "made",
     0},
    {EXTERNAL("type: ^kafka"), W,
     "externalEvents.type: FlyteAdmin has no type \"kafka\" here: it sends nothing, and no "
     "pipeline is made",
     0},
    {EXTERNAL("type: ^AWS"), W,
     "externalEvents.type: FlyteAdmin has no type \"AWS\" here: it sends nothing, and no pipeline "
     "is made (did you mean \"aws\"?)",
     0},
    {PUB("eventTypes: ^[]") OTHER, W,
     PUBLISHER "eventTypes has none: " NOTHING "; [all] is workflow, node and task", 0},
    {PUB("eventTypes: ^''") OTHER, W,
     PUBLISHER "eventTypes has none: " NOTHING "; [all] is workflow, node and task", 0},
    {ON AT ", eventsPublisher: ^{topicName: t}}\n" OTHER, W,
     PUBLISHER "eventTypes has none: " NOTHING "; [all] is workflow, node and task", 0},
    {"^cloudEvents: {enable: false, type: kafka, " AT ", " TO "}\n", E,
     "cloudEvents: no pipeline is made of it, and the file has no other: events would go nowhere",
     0},
    {CLOUD("gcp", "gcp: {projectId: p}, eventsPublisher: {eventTypes: all, topicName: ^a/b}"), E,
     "topic: it has letters, digits and - _ . ~ + %", 0},
    {EXTERNAL("type: gcp, gcp: {projectId: ^p/q}"), E,
     "project: a project's id has letters, digits, - and the dots and colon of a domain", 0},
    {CLOUD("aws", "aws: {region: r}, eventsPublisher: {topicName: ^t, eventTypes: all}"), E,
     PUBLISHER "topicName: \"t\" is no ARN of a topic as arn:aws:sns:us-east-2:123456789012:name",
     0},
    {CLOUD("aws", "aws: ^{}, eventsPublisher: {topicName: 'arn:aws:sns:r:1:t', eventTypes: all}"),
     W,
     "cloudEvents.aws.region is absent: FlyteAdmin does not start without it; Moongate takes the "
     "topic's",
     0},
    {CLOUD("aws", "aws: {region: r}, eventsPublisher: {topicName: ^'arn:aws:sns:r:1:t.fifo', "
                  "eventTypes: all}"),
     W, PUBLISHER "topicName: FlyteAdmin cannot send to a FIFO topic; Moongate can", 0},
    {"cloudEvents: {enable: true, type: aws, aws: {region: r}, eventsPublisher: {topicName: "
     "'arn:aws:sns:r:1:t', eventTypes: all}}\nexternalEvents: {enable: true, type: aws, aws: "
     "{region: r}, eventsPublisher: {topicName: ^'arn:aws:sns:r:1:t', eventTypes: all}}\n",
     W, "pipelines.external_events: sends to where pipeline cloud_events sends", 0},
    {CLOUD("gcp", "gcp: ^{region: us-east1}, " TO), E, "cloudEvents.gcp.projectId is required", 1},
    {CLOUD("nats", TO ", nats: {servers: ^}"), E, "cloudEvents.nats.servers is required", 0},
    {CLOUD("nats", "nats: {servers: ^'a:1, b:c'}, " TO), E, "servers: \"b:c\" is no HOST:PORT", 0},
    {CLOUD("nats",
           "nats: {servers: 'a:1'}, eventsPublisher: {topicName: ^'flyte.{x}', eventTypes: all}"),
     E,
     PUBLISHER "topicName: a { begins the name of a field in a pipeline of Moongate: "
               "\"flyte.{x}\" cannot be sent to as it is",
     0},
    {CLOUD("nats",
           "nats: {servers: 'a:1'}, eventsPublisher: {topicName: ^'flyte.>', eventTypes: all}"),
     E,
     PUBLISHER "topicName: \"flyte.>\" is no subject to send to: words with points between them, "
               "without white space, * and >",
     0},
    /* style, version */
    {ALL("style: ^documentd"), E,
     "cloudEvents.style: \"documentd\" is none of flyteadmin, documented (did you mean "
     "\"documented\"?)",
     0},
    {ALL("id_spacing: ^3"), E, "cloudEvents.id_spacing: 3 is above 2", 0},
    {ALL("style: documented, id_spacing: ^1"), W,
     "cloudEvents.id_spacing: the ids of this style have no such spaces", 0},
    {ALL("cloudEventVersion: ^v3"), E,
     "cloudEvents.cloudEventVersion: \"v3\" is none of v1, v2: FlyteAdmin does not start", 0},
    {ALL("cloudEventVersion: ^V2"), E,
     "cloudEvents.cloudEventVersion: \"V2\" is none of v1, v2: FlyteAdmin does not start (did you "
     "mean \"v2\"?)",
     0},
    {ALL("cloudEventVersion: ^[v2]"), E, "cloudEvents.cloudEventVersion: expected text, not a list",
     0},
    {ALL("cloudEventVersion: ^1") "flyteadmin: {address: 'a:1'}\n", W,
     "cloudEvents.cloudEventVersion: 1 is none of v1, v2; FlyteAdmin takes it for v2, and so does "
     "Moongate: write v2",
     0},
    {ALL("cloudEventVersion: ^'1'") "flyteadmin: {address: 'a:1'}\n", W,
     "cloudEvents.cloudEventVersion: 1 is none of v1, v2; FlyteAdmin takes it for v2, and so does "
     "Moongate: write v2",
     0},
    {ALL("cloudEventVersion: ^2"), W,
     "cloudEvents.cloudEventVersion: 2 is none of v1, v2; FlyteAdmin takes it for v1, and so does "
     "Moongate: write v1",
     0},
    {ALL("cloudEventVersion: ^v2"), W,
     "cloudEvents.cloudEventVersion: v2 sends what FlyteAdmin knows of an execution: without "
     "flyteadmin.address its labels, principal and interfaces are left out",
     0},
    /* event types */
    {PUB("eventTypes: [workflow, ^tsk]"), E,
     PUBLISHER "eventTypes: \"tsk\" is none of workflow, node, task, all, *: FlyteAdmin does not "
               "start (did you mean \"task\"?)",
     0},
    {PUB("eventTypes: ^'workflow, node'"), E,
     PUBLISHER "eventTypes: \" node\" is none of workflow, node, task, all, *: FlyteAdmin does "
               "not start (did you mean \"node\"?)",
     0},
    {PUB("eventTypes: [all, ^workflows]"), W,
     PUBLISHER "eventTypes: \"workflows\" is none of workflow, node, task, all, *: it is passed "
               "over (did you mean \"workflow\"?)",
     0},
    {PUB("eventTypes: ^{a: 1}"), E, PUBLISHER "eventTypes: expected a list, not a mapping", 0},
    {ON AT ", cloudEventVersion: v2, eventsPublisher: {topicName: t, eventTypes: [^Task]}}\n"
           "flyteadmin: {address: 'a:1'}\n",
     W,
     PUBLISHER "eventTypes: \"Task\" is none of workflow, node, task, all, *: it is passed over "
               "(did you mean \"task\"?)",
     0},
    /* topic, brokers, version */
    {ON AT ", eventsPublisher: ^{eventTypes: all}}\n", E, PUBLISHER "topicName is required", 0},
    {TOPIC("^''"), E, PUBLISHER "topicName is required", 0},
    {TOPIC("^'a b'"), E, PUBLISHER "topicName: topic \"a b\": a topic has letters, digits, . _ -",
     0},
    {TOPIC("^'flyte.{project}'"), E,
     PUBLISHER "topicName: topic \"flyte.{project}\": a topic has letters, digits, . _ -", 0},
    {TOPIC("^'..'"), E, PUBLISHER "topicName: \"..\" is no topic", 0},
    {ON TO ", kafka: ^{version: 2.1.0}}\n", E, "cloudEvents.kafka.brokers is required", 0},
    {BROKERS("^''"), E, "cloudEvents.kafka.brokers is required", 0},
    {BROKERS("['b:1', ^'']"), E, "cloudEvents.kafka.brokers: a broker without a name", 0},
    {BROKERS("^'a:1, b:2'"), W,
     "cloudEvents.kafka.brokers: FlyteAdmin takes the white space in \" b:2\" for a part of the "
     "name and does not find it; Moongate leaves it out",
     0},
    {BROKERS("['a:1', ^b]"), W,
     "cloudEvents.kafka.brokers: FlyteAdmin does not reach \"b\" without a port; Moongate takes "
     "9092",
     0},
    {ON TO ", kafka: ^{brokers: 'b:1'}}\n", W,
     "cloudEvents.kafka.version is absent: FlyteAdmin stops at its start without it; Moongate "
     "asks the brokers",
     0},
    {KAFKA("brokers: 'b:1', version: ^my-kafka-version"), W,
     "cloudEvents.kafka.version: \"my-kafka-version\" is no version as 2.1.0 or 0.11.0.0: "
     "FlyteAdmin stops at its start; Moongate asks the brokers",
     0},
    {ON TO ", KAFKA: {BROKERS: 'b:1', Version: ^x}}\n", W,
     "cloudEvents.kafka.version: \"x\" is no version as 2.1.0 or 0.11.0.0: FlyteAdmin stops at its "
     "start; Moongate asks the brokers",
     0},
    {KAFKA("brokers: 'b:1', version: ^0.8.2"), W,
     "cloudEvents.kafka.version: \"0.8.2\" is no version as 2.1.0 or 0.11.0.0: FlyteAdmin stops "
     "at its start; Moongate asks the brokers",
     0},
    {KAFKA("brokers: 'b:1', version: ^0.10.2.1"), W,
     "cloudEvents.kafka.version: 0.10.2.1 has no headers: FlyteAdmin can send nothing with it; "
     "Moongate asks the brokers",
     0},
    /* logging in, TLS */
    {ON TO ", kafka: {version: 2.1.0, brokers: 'b:1', saslConfig: ^{enabled: true, handshake: "
           "true}}}\n",
     E,
     "cloudEvents.kafka.saslConfig needs user and password: FlyteAdmin does not start without "
     "them",
     0},
    {SASL(USER ", mechanism: ^SCRAM-SHA-512"), W,
     "cloudEvents.kafka.saslConfig.mechanism: FlyteAdmin stops at its start with any but PLAIN; "
     "Moongate logs in with SCRAM-SHA-512",
     1},
    {SASL(USER ", mechanism: ^GSSAPI"), E,
     "cloudEvents.kafka.saslConfig.mechanism: GSSAPI needs settings that a section does not have "
     "(FlyteAdmin stops at its start): write a pipeline, with properties",
     0},
    {SASL(USER ", mechanism: ^PLAN"), E,
     "cloudEvents.kafka.saslConfig.mechanism: \"PLAN\" is none of PLAIN, SCRAM-SHA-256, "
     "SCRAM-SHA-512 (did you mean \"PLAIN\"?)",
     0},
    {SASL("enabled: true, handshake: true, user: u, passwordPath: ^/no/such"), E,
     "cloudEvents.kafka.saslConfig.passwordPath: /no/such: No such file or directory", 0},
    {TLS("enabled: true, certPath: ^c.pem"), W,
     "cloudEvents.kafka.tlsConfig.certPath: FlyteAdmin shows a certificate only with both "
     "certPath and keyPath, and so does Moongate",
     0},
    {TLS("enabled: true, certPath: ^c.pem, keyPath: k.pem"), E,
     "cloudEvents.kafka.tlsConfig.certPath: c.pem: No such file or directory", 1},
    {TLS("enabled: true, certPath: c.pem, keyPath: ^k.pem"), E,
     "cloudEvents.kafka.tlsConfig.keyPath: k.pem: No such file or directory", 1},
    /* templates of Helm's */
    {TOPIC("^'a-{{ .Values.topic }}'"), E,
     PUBLISHER "topicName: {{ .Values.topic }} is a template of Helm's: fill it in, as `helm "
               "template` does, or write the value",
     0},
    {"cloudEvents: {enable: ^'{{ .Values.on }}', type: kafka}\n" OTHER, E,
     "cloudEvents.enable: {{ .Values.on }} is a template of Helm's: fill it in, as `helm template` "
     "does, or write the value",
     0},
    {"cloudEvents:\n  aws:\n    region: ^{{ .Values.region }}\n", E,
     "not YAML: {{ .Values.region }} is a template of Helm's: fill it in, as `helm template` does",
     0},
    /* the text of a file */
    {"cloud_events.yaml: |\n  # the section\n\n  cloudEvents:\n    enable: true\n    type: kafka\n"
     "    kafka: {version: 2.1.0, brokers: 'b:1', ^tlsCnfig: {}}\n    " TO "\n",
     E, "cloudEvents.kafka: unknown key \"tlsCnfig\" (did you mean \"tlsConfig\"?)", 0},
    {"cloud_events.yaml: |\n  cloudEvents: {enable: false}\n  ^ingst: {}\n" OTHER, E,
     "unknown key \"ingst\": neither Moongate's nor FlyteAdmin's or its chart's", 0},
    /* one topic for two things */
    {"cloudEvents: {enable: true, type: kafka, " AT
     ", eventsPublisher: {eventTypes: all, topicName: ^t}}\n"
     "notifications: {publisher: {topicName: t}}\n",
     W,
     "cloudEvents: \"t\" is also notifications.publisher.topicName, at d/m.yaml:2:40: " SEPARATE
     "topics and queues",
     0},
    {"cloudEvents: {enable: true, type: kafka, " AT
     ", eventsPublisher: {eventTypes: all, topicName: ^q}}\n"
     "workflow_notifications: {config: {notifications: {processor: {queueName: q}}}}\n",
     W,
     "cloudEvents: \"q\" is also notifications.processor.queueName, at d/m.yaml:2:74: " SEPARATE
     "topics and queues",
     0},
    {"cloudEvents: {enable: false}\nnotifications: {publisher: {topicName: t}}\n"
     "pipelines:\n  - {name: a, publisher: {type: kafka, brokers: b, topic: ^t}}\n",
     W,
     "pipelines.a: \"t\" is also notifications.publisher.topicName, at d/m.yaml:2:40: " SEPARATE
     "topics and queues",
     0},
    {"cloudEvents: {enable: true, type: gcp, gcp: {projectId: p}, " TO "}\n"
     "externalEvents: {enable: true, type: gcp, gcp: {projectId: p}, eventsPublisher: {eventTypes: "
     "all, topicName: ^t}}\n",
     W, "pipelines.external_events: sends to where pipeline cloud_events sends", 0},
    {"cloudEvents: {enable: true, type: kafka, style: documented, " AT
     ", eventsPublisher: {eventTypes: all, topicName: ^t}}\npipelines:\n  - {name: a, publisher: "
     "{type: "
     "kafka, brokers: 'b:9092', topic: t}}\n",
     W, "pipelines.cloud_events: sends to where pipeline a sends", 0},
};

/* Writes the text without its ^ and tells where that stood. */
static void write_marked(const char *text, int *line, int *column)
{
    FILE *f = fopen("d/m.yaml", "w");
    const char *mark = strchr(text, '^');

    CHECK(f && mark);
    *line = *column = 1;
    for (const char *p = text; p < mark; p++) {
        *column = *p == '\n' ? 1 : *column + 1;
        *line += *p == '\n';
    }
    CHECK(fprintf(f, "%.*s%s", (int)(mark - text), text, mark + 1) > 0 && !fclose(f));
}

static int check_row(size_t i)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    int line, column, found = 0, others = 0;

    write_marked(table[i].yaml, &line, &column);
    (void)gw_config_load("d/m.yaml", &p);
    for (size_t k = 0; k < p.n; k++) {
        const struct gw_problem *q = &p.items[k];

        if (q->severity == GW_PROBLEM_NOTE)
            continue;
        if (q->line == line && q->column == column && !strcmp(q->text, table[i].text) &&
            q->severity == (int)table[i].level)
            found++;
        else
            others++;
    }
    if (found != 1 || (others && !table[i].more)) {
        fprintf(stderr, "row %zu, wanted %d:%d: %s\n%s", i, line, column, table[i].text,
                table[i].yaml);
        for (size_t k = 0; k < p.n; k++)
            fprintf(stderr, "  %d:%d: %s: %s\n", p.items[k].line, p.items[k].column,
                    gw_problem_level(&p.items[k]), p.items[k].text);
    }
    gw_arena_free(p.mem);
    return found == 1 && (!others || table[i].more);
}

TEST(test_section_that_is_broken_is_told_where_and_how)
{
    size_t bad = 0;

    CHECK(!mkdir("d", 0777));
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        bad += !check_row(i);
    CHECK(bad == 0);
}
