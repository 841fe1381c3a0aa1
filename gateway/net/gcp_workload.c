#include "net/gcp_workload.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "base/json.h"
#include "net/fetch.h"
#include "net/gcp_json.h"

#include <string.h>

enum { HEADERS_MAX = 32, DEPTH = 8, TIMEOUT_MS = 30000, TIMEOUT_MIN = 5000, TIMEOUT_MAX = 120000 };

static const char verify_usual[] =
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";

struct source {
    const char *file, *url, *environment_id, *region_url, *session_url, *verify_url;
    struct gw_str headers, format, executable, certificate;
};

static int check_url(const char *url, const char *name, struct gw_err *err)
{
    const char *problem = url ? gw_fetch_url_problem(url) : NULL;

    return problem ? gw_err_set(err, GW_ERR_REJECT, "%s: %s", name, problem) : 0;
}

static int take_header(struct gw_json *j, struct gw_arena *mem, struct gw_http_header *out,
                       struct gw_err *err)
{
    out->name = gw_arena_str(mem, gw_json_string(j, mem));
    if (gw_json_next(j) != GW_JSON_STRING)
        return gw_err_set(err, GW_ERR_REJECT, "headers: a value is no text");
    out->value = gw_arena_str(mem, gw_json_string(j, mem));
    return gw_header_name_ok(out->name) && gw_header_value_ok(out->value)
               ? 0
               : gw_err_set(err, GW_ERR_REJECT, "headers: what no header can be");
}

static int read_headers(struct gw_arena *mem, struct gw_str json, struct gw_gcp_workload *out,
                        struct gw_err *err)
{
    struct gw_json j;

    if (!json.p)
        return 0;
    gw_json_init(&j, json, DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "headers: no object");
    out->headers = gw_arena_alloc(mem, HEADERS_MAX * sizeof(*out->headers));
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (out->n_headers == HEADERS_MAX)
            return gw_err_set(err, GW_ERR_REJECT, "headers: more than %d", HEADERS_MAX);
        if (take_header(&j, mem, &out->headers[out->n_headers++], err))
            return -1;
    }
    return 0;
}

static int read_format(struct gw_arena *mem, struct gw_str json, struct gw_gcp_workload *out,
                       struct gw_err *err)
{
    const char *type = NULL, *field = NULL;
    const struct gw_gcp_member members[] = {{"type", &type, NULL},
                                            {"subject_token_field_name", &field, NULL}};

    if (!json.p)
        return 0;
    if (gw_gcp_json_read(mem, json, members, 2, err))
        return gw_err_wrap(err, "format");
    if (!type || !strcmp(type, "text"))
        return 0;
    if (strcmp(type, "json") != 0)
        return gw_err_set(err, GW_ERR_REJECT, "format: type is neither text nor json");
    if (!field || !*field)
        return gw_err_set(err, GW_ERR_REJECT, "format: subject_token_field_name is missing");
    out->field = field;
    return 0;
}

static int read_command(struct gw_arena *mem, struct gw_str json, struct gw_gcp_workload *out,
                        struct gw_err *err)
{
    struct gw_str timeout = {0};
    const struct gw_gcp_member members[] = {{"command", &out->command, NULL},
                                            {"timeout_millis", NULL, &timeout},
                                            {"output_file", &out->output, NULL}};

    out->subject = GW_GCP_SUBJECT_COMMAND;
    out->timeout_ms = TIMEOUT_MS;
    if (gw_gcp_json_read(mem, json, members, 3, err))
        return gw_err_wrap(err, "executable");
    if (!out->command || !*out->command)
        return gw_err_set(err, GW_ERR_REJECT, "executable: command is missing");
    if (timeout.p)
        out->timeout_ms = gw_gcp_json_number(timeout);
    if (out->timeout_ms < TIMEOUT_MIN || out->timeout_ms > TIMEOUT_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "executable: timeout_millis is not 5000 to 120000");
    return 0;
}

static int read_aws(const struct source *s, struct gw_gcp_workload *out, struct gw_err *err)
{
    out->subject = GW_GCP_SUBJECT_AWS;
    if (strcmp(s->environment_id, "aws1") != 0)
        return gw_err_set(err, GW_ERR_UNSUPPORTED, "environment_id is not aws1");
    out->region_url = s->region_url;
    out->session_url = s->session_url;
    out->verify_url = s->verify_url ? s->verify_url : verify_usual;
    return check_url(out->region_url, "region_url", err) ||
                   check_url(out->session_url, "imdsv2_session_token_url", err)
               ? -1
               : 0;
}

static int take_source(struct gw_arena *mem, const struct source *s, struct gw_gcp_workload *out,
                       struct gw_err *err)
{
    out->url = s->url;
    if (check_url(s->url, "url", err))
        return -1;
    if (s->environment_id)
        return read_aws(s, out, err);
    if (s->executable.p)
        return read_command(mem, s->executable, out, err);
    if (s->certificate.p)
        return gw_err_set(err, GW_ERR_UNSUPPORTED, "certificate is not supported");
    if (!s->file && !s->url)
        return gw_err_set(err, GW_ERR_REJECT,
                          "none of file, url, executable and environment_id is there");
    out->subject = s->file ? GW_GCP_SUBJECT_FILE : GW_GCP_SUBJECT_URL;
    out->path = s->file;
    return read_format(mem, s->format, out, err) || read_headers(mem, s->headers, out, err) ? -1
                                                                                            : 0;
}

static int read_source(struct gw_arena *mem, struct gw_str json, struct gw_gcp_workload *out,
                       struct gw_err *err)
{
    struct source s = {0};
    const struct gw_gcp_member members[] = {
        {"file", &s.file, NULL},
        {"url", &s.url, NULL},
        {"headers", NULL, &s.headers},
        {"format", NULL, &s.format},
        {"executable", NULL, &s.executable},
        {"certificate", NULL, &s.certificate},
        {"environment_id", &s.environment_id, NULL},
        {"region_url", &s.region_url, NULL},
        {"imdsv2_session_token_url", &s.session_url, NULL},
        {"regional_cred_verification_url", &s.verify_url, NULL}};

    if (!json.p)
        return gw_err_set(err, GW_ERR_REJECT, "credential_source is missing");
    if (gw_gcp_json_read(mem, json, members, sizeof(members) / sizeof(members[0]), err) ||
        take_source(mem, &s, out, err))
        return gw_err_wrap(err, "credential_source");
    return 0;
}

int gw_gcp_workload_read(struct gw_arena *mem, struct gw_str json, struct gw_gcp_workload *out,
                         struct gw_err *err)
{
    struct gw_str source = {0};
    const struct gw_gcp_member members[] = {
        {"audience", &out->audience, NULL},
        {"subject_token_type", &out->subject_type, NULL},
        {"workforce_pool_user_project", &out->user_project, NULL},
        {"credential_source", NULL, &source}};

    *out = (struct gw_gcp_workload){0};
    if (gw_gcp_json_read(mem, json, members, 4, err))
        return -1;
    if (!out->audience || !*out->audience)
        return gw_err_set(err, GW_ERR_REJECT, "audience is missing");
    if (!out->subject_type || !*out->subject_type)
        return gw_err_set(err, GW_ERR_REJECT, "subject_token_type is missing");
    if (out->user_project && !strstr(out->audience, "/workforcePools/"))
        return gw_err_set(err, GW_ERR_REJECT,
                          "workforce_pool_user_project is for a workforce pool's audience");
    return read_source(mem, source, out, err);
}
