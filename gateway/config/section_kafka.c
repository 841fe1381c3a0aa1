/* What a section says of Kafka. FlyteAdmin's client refuses at its start what ours does not need to
 * refuse: that runs, and is told. */
#include "config/section.h"

#include "base/err.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/route.h"
#include "publish/publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- version ---- */

/* X.Y.Z, or 0.A.B.C. */
static int parse_version(const char *text, long parts[4])
{
    const int n = text[0] == '0' ? 4 : 3;
    char *end;

    for (int i = 0; i < n; i++) {
        const size_t len = strspn(text, "0123456789");

        if (len < 1 || len > 3 || (n == 4 && i == 0 && len > 1))
            return -1;
        parts[i] = strtol(text, &end, 10);
        if (*end != (i < n - 1 ? '.' : '\0'))
            return -1;
        text = end + 1;
    }
    return 0;
}

static void check_version(const struct gw_section *s, struct gw_problems *p)
{
    const char *version = s->conf->kafka.version;
    long parts[4];

    if (!version || !*version)
        gw_section_lacks(s, p, GW_PROBLEM_WARNING, "kafka.version",
                         "is absent: FlyteAdmin stops at its start without it; Moongate asks the "
                         "brokers");
    else if (parse_version(version, parts))
        gw_section_tell(s, p, GW_PROBLEM_WARNING, "kafka.version",
                        "\"%.80s\" is no version as 2.1.0 or 0.11.0.0: FlyteAdmin stops at its "
                        "start; Moongate asks the brokers",
                        version);
    else if (version[0] == '0' && parts[1] < 11)
        gw_section_tell(s, p, GW_PROBLEM_WARNING, "kafka.version",
                        "%s has no headers: FlyteAdmin can send nothing with it; Moongate asks the "
                        "brokers",
                        version);
}

/* ---- brokers, topic ---- */

#define BROKERS "kafka.brokers"

static int has_port(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon && colon[1] && !colon[1 + strspn(colon + 1, "0123456789")] &&
           (name[0] != '[' || colon[-1] == ']');
}

static void check_broker(const struct gw_section *s, struct gw_problems *p, size_t i)
{
    const char *name = s->conf->kafka.brokers.items[i];
    const char *trimmed = gw_section_trimmed(p->mem, name);

    if (!*trimmed) {
        gw_section_tell_item(s, p, GW_PROBLEM_ERROR, BROKERS, i, "a broker without a name");
        return;
    }
    if (strcmp(trimmed, name) != 0)
        gw_section_tell_item(s, p, GW_PROBLEM_WARNING, BROKERS, i,
                             "FlyteAdmin takes the white space in \"%.80s\" for a part of the "
                             "name and does not find it; Moongate leaves it out",
                             name);
    if (!has_port(trimmed))
        gw_section_tell_item(s, p, GW_PROBLEM_WARNING, BROKERS, i,
                             "FlyteAdmin does not reach \"%.80s\" without a port; Moongate takes "
                             "9092",
                             trimmed);
}

/* Literally: what would be a template in a pipeline is none here. */
static void check_topic(const struct gw_section *s, struct gw_problems *p)
{
    const char *topic = s->conf->publisher.topic;
    struct gw_err err;

    if (topic && *topic && gw_publish_kafka.routing->topic(gw_str_of(topic), &err))
        gw_section_tell(s, p, GW_PROBLEM_ERROR, "eventsPublisher.topicName", "%s", err.msg);
}

/* ---- logging in ---- */

#define SASL "kafka.saslConfig"
#define TLS  "kafka.tlsConfig"

static void check_mechanism(const struct gw_section *s, struct gw_problems *p)
{
    static const char *const known[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    const char *name = s->conf->kafka.sasl.mechanism;
    struct gw_nearest near = {.wanted = gw_str_of(name)};
    char hint[120];

    if (!name || !*name || !strcmp(name, known[0]))
        return;
    for (int i = 0; i < 3; i++) {
        gw_nearest_offer(&near, gw_str_of(known[i]));
        if (!strcmp(name, known[i])) {
            gw_section_tell(s, p, GW_PROBLEM_WARNING, SASL ".mechanism",
                            "FlyteAdmin stops at its start with any but PLAIN; Moongate logs in "
                            "with %s",
                            name);
            return;
        }
    }
    if (!strcmp(name, "OAUTHBEARER") || !strcmp(name, "GSSAPI"))
        gw_section_tell(s, p, GW_PROBLEM_ERROR, SASL ".mechanism",
                        "%s needs settings that a section does not have (FlyteAdmin stops at its "
                        "start): write a pipeline, with properties",
                        name);
    else
        gw_section_tell(s, p, GW_PROBLEM_ERROR, SASL ".mechanism",
                        "\"%.80s\" is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512%s", name,
                        gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* White space around what a file holds is left out, as FlyteAdmin does it. */
static void read_password(struct gw_section *s, struct gw_problems *p)
{
    const struct gw_flyteadmin_sasl *c = &s->conf->kafka.sasl;
    struct gw_field_reader r = {.p = p, .file = s->key->file};
    struct gw_field_at at = {.r = &r, .y = gw_section_at(s, SASL ".passwordPath")};

    s->password = c->password;
    if (!c->password_path || !*c->password_path) {
        if (gw_section_has(s, SASL ".password_file"))
            s->password_file = gw_section_at(s, SASL ".password_file");
        return;
    }
    s->password_file = at.y;
    gw_field_join(at.name, s->name, SASL ".passwordPath");
    gw_field_read_secret_file(&at, &s->password);
    s->password = gw_section_trimmed(p->mem, s->password);
    if (c->password && *c->password)
        gw_section_tell(s, p, GW_PROBLEM_NOTE, SASL ".password",
                        "not read: passwordPath wins over it");
}

static void check_sasl(struct gw_section *s, struct gw_problems *p)
{
    const struct gw_flyteadmin_sasl *c = &s->conf->kafka.sasl;
    const size_t errors = p->errors;

    read_password(s, p);
    check_mechanism(s, p);
    if (p->errors == errors && (!c->user || !*c->user || !s->password || !*s->password))
        gw_section_lacks(s, p, GW_PROBLEM_ERROR, SASL,
                         "needs user and password: FlyteAdmin does not start without them");
    if (!c->handshake)
        gw_section_tell(s, p, GW_PROBLEM_NOTE, SASL ".handshake",
                        "false: FlyteAdmin sends the password without Kafka's handshake; Moongate "
                        "always begins with it");
}

/* ---- TLS ---- */

static int is_set(const char *text)
{
    return text && *text;
}

static void check_readable(const struct gw_section *s, struct gw_problems *p, const char *path,
                           const char *name)
{
    const char *file = gw_field_resolve(p->mem, s->key->file, name);
    char why[100];

    if (access(file, R_OK))
        gw_section_tell(s, p, GW_PROBLEM_ERROR, path, "%s: %s", name,
                        strerror_r(errno, why, sizeof(why)));
}

static void check_tls(const struct gw_section *s, struct gw_problems *p)
{
    const struct gw_flyteadmin_tls *c = &s->conf->kafka.tls;

    if (is_set(c->cert_path) && is_set(c->key_path)) {
        check_readable(s, p, TLS ".certPath", c->cert_path);
        check_readable(s, p, TLS ".keyPath", c->key_path);
    } else if (is_set(c->cert_path) || is_set(c->key_path)) {
        gw_section_tell(s, p, GW_PROBLEM_WARNING,
                        is_set(c->cert_path) ? TLS ".certPath" : TLS ".keyPath",
                        "FlyteAdmin shows a certificate only with both certPath and keyPath, and "
                        "so does Moongate");
    }
}

void gw_section_check_kafka(struct gw_section *s, struct gw_problems *p)
{
    check_version(s, p);
    if (!s->conf->kafka.brokers.n)
        gw_section_lacks(s, p, GW_PROBLEM_ERROR, BROKERS, "is required");
    for (size_t i = 0; !s->broken && i < s->conf->kafka.brokers.n; i++)
        check_broker(s, p, i);
    check_topic(s, p);
    if (s->conf->kafka.sasl.enabled)
        check_sasl(s, p);
    if (s->conf->kafka.tls.enabled)
        check_tls(s, p);
}
