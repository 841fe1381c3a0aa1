/* The keys of a NATS publisher, and what the table cannot say of them. */
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "net/address.h"
#include "publish/publish_nats.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("1000", 10000, "1MiB")};
const struct gw_field gw_nats_fields[] = {
    {"servers", GW_F_STRS, offsetof(struct gw_publish_nats_conf, servers), .required = 1,
     .comma = 1,
     .help = "HOST:PORT of some servers, as a list or with commas between; tls://HOST:PORT asks "
             "for TLS."},
    {"subject", GW_F_STR, offsetof(struct gw_publish_nats_conf, subject), .required = 1,
     .help = "Subject; {project} and other fields of flyte are filled in."},
    {"jetstream", GW_F_BOOL, offsetof(struct gw_publish_nats_conf, jetstream), .def = "false",
     .help = "Delivered when a stream has it on disk, and not when the server has seen it."},
    {"username", GW_F_STR, offsetof(struct gw_publish_nats_conf, username),
     .help = "Name of the user."},
    {"password", GW_F_STR, offsetof(struct gw_publish_nats_conf, password), .secret = 1,
     .help = "Password of the user."},
    {"token", GW_F_STR, offsetof(struct gw_publish_nats_conf, token), .secret = 1,
     .help = "Token of the servers."},
    {"nkey_file", GW_F_STR, offsetof(struct gw_publish_nats_conf, nkey_file), .path = 1, .input = 1,
     .help = "File with the seed of a user's nkey (SU…), read anew at each connection."},
    {"creds_file", GW_F_STR, offsetof(struct gw_publish_nats_conf, creds_file), .path = 1,
     .input = 1,
     .help = "File with a user's JWT and seed, as nsc writes it (.creds), read anew at each "
             "connection."},
    {"tls", GW_F_TABLE, offsetof(struct gw_publish_nats_conf, tls), .pointer = 1,
     .help = "TLS to the servers; {} with the system's certificates.", .fields = gw_tls_conf_fields,
     .size = sizeof(struct gw_tls_conf)},
    GW_PUBLISH_COMMON("1MiB", batch_fields),
    {0}};

/* ---- servers ---- */

static const char *after_scheme(const char *text)
{
    const char *at = strstr(text, "://");

    return at ? at + 3 : text;
}

struct gw_str gw_nats_server_shown(const char *text)
{
    const char *host = after_scheme(text), *user = strrchr(host, '@');

    return gw_str_of(user ? user + 1 : host);
}

/* host, host:port, [v6], [v6]:port; ports are 1 to 65535 */
static int is_address(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : host + strcspn(host, ":");

    if (!end || end == host || host[strcspn(host, "/?#@ \t\r\n\"\\")])
        return 0;
    end += *end == ']';
    return !*end || (*end == ':' && gw_port_read(gw_str_of(end + 1)) >= 1);
}

int gw_nats_server(const char *text, char *url, size_t size, struct gw_err *err)
{
    const char *host = after_scheme(text);
    const struct gw_str shown = gw_nats_server_shown(text);

    if (host != text && strncmp(text, "nats://", 7) != 0 && strncmp(text, "tls://", 6) != 0)
        return gw_err_set(err, GW_ERR_REJECT, "\"%.*s\": nats:// and tls:// are known, no other",
                          (int)strcspn(text, ":"), text);
    if (!is_address(shown.p))
        return gw_err_set(err, GW_ERR_REJECT, "\"%.80s\" is no HOST:PORT", shown.p);
    if (snprintf(url, size, "%s%s", host == text ? "nats://" : "", text) >= (int)size)
        return gw_err_set(err, GW_ERR_REJECT, "\"%.40s…\" is too long", shown.p);
    return 0;
}

static int has_secret(const char *text)
{
    return gw_nats_server_shown(text).p != after_scheme(text);
}

static const struct gw_yaml *item_at(const struct gw_yaml *list, size_t i)
{
    return list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list;
}

static void check_servers(const struct gw_publish_nats_conf *c, struct gw_problems *p,
                          const struct gw_yaml *at)
{
    char url[512];
    struct gw_err err;

    for (size_t i = 0; i < c->servers.n; i++) {
        const struct gw_yaml *y = item_at(gw_yaml_place(at, "servers"), i);

        if (gw_nats_server(c->servers.items[i], url, sizeof(url), &err))
            gw_problems_add(p, 0, y->file, y->line, y->column, "servers: %s", err.msg);
        else if (has_secret(c->servers.items[i]))
            gw_problems_add(p, GW_PROBLEM_WARNING, y->file, y->line, y->column,
                            "servers: who logs in stands better in username and password_file (or "
                            "token_file)");
    }
}

/* ---- who logs in ---- */

static void check_file(const struct gw_yaml *at, const char *key, const char *file,
                       struct gw_problems *p)
{
    const struct gw_yaml *y = gw_yaml_place(at, key);
    char public_key[GW_NATS_PUBLIC_KEY], why[100];
    struct gw_err err;

    if (!file)
        return;
    if (access(file, R_OK))
        gw_problems_add(p, 0, y->file, y->line, y->column, "%s: %s: %s", key, file,
                        strerror_r(errno, why, sizeof(why)));
    else if (gw_nats_public_key(file, public_key, &err))
        gw_problems_add(p, 0, y->file, y->line, y->column, "%s: %s", key, err.msg);
}

static void check_login(const struct gw_publish_nats_conf *c, struct gw_problems *p,
                        const struct gw_yaml *at)
{
    const int ways = (c->username || c->token) + !!c->nkey_file + !!c->creds_file;
    const struct gw_yaml *y;

    if (ways > 1)
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "one way to log in, please: username and password (or a token), nkey_file, "
                        "creds_file");
    if (c->password && !c->username) {
        y = gw_yaml_place(at, "password");
        gw_problems_add(p, 0, y->file, y->line, y->column, "password: there is no username");
    }
    if (c->token && c->username) {
        y = gw_yaml_place(at, "token");
        gw_problems_add(p, 1, y->file, y->line, y->column,
                        "token: there is a username too, and a server looks at one of them");
    }
    check_file(at, "nkey_file", c->nkey_file, p);
    check_file(at, "creds_file", c->creds_file, p);
}

/* ---- check ---- */

static void note(struct gw_problems *p, const struct gw_yaml *at, const char *text)
{
    gw_problems_add(p, GW_PROBLEM_NOTE, at->file, at->line, at->column, "%s", text);
}

/* What is written is done, and what FlyteAdmin's consumers may notice of it is said. */
static void check_departures(const struct gw_publish_nats_conf *c, const struct gw_format *f,
                             struct gw_problems *p, const struct gw_yaml *at)
{
    if (f->style != GW_STYLE_FLYTEADMIN && f->style != GW_STYLE_FLYTEADMIN_V2)
        return; /* FlyteAdmin's externalEvents know no NATS */
    if (f->mode == GW_MODE_BINARY)
        note(p, at, "format.mode: binary is sent, FlyteAdmin's messages are structured");
    if (f->protobuf)
        note(p, at, "format.encoding: protobuf is sent, FlyteAdmin's messages are JSON");
    if (c->jetstream)
        note(p, gw_yaml_place(at, "jetstream"),
             "jetstream: messages carry the header Nats-Msg-Id, FlyteAdmin's have no headers");
}

void gw_nats_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                   const struct gw_yaml *at)
{
    const struct gw_publish_nats_conf *c = conf;
    const struct gw_yaml *y = gw_yaml_place(at, "subject");
    struct gw_template t;
    struct gw_err err;

    check_departures(c, f, p, at);
    check_servers(c, p, at);
    if (c->subject && gw_template_parse(&gw_nats_subject, c->subject, &t, &err))
        gw_problems_add(p, 0, y->file, y->line, y->column, "subject: %s", err.msg);
    check_login(c, p, at);
    gw_tls_conf_check(c->tls, p, at);
}

int gw_nats_same(const void *a, const void *b)
{
    const struct gw_publish_nats_conf *x = a, *y = b;

    if (!x->subject || !y->subject || strcmp(x->subject, y->subject) != 0)
        return 0;
    for (size_t i = 0; i < x->servers.n; i++)
        for (size_t k = 0; k < y->servers.n; k++)
            if (!strcmp(x->servers.items[i], y->servers.items[k]))
                return 1;
    return 0;
}
