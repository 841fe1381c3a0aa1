#include "net/aws_plan.h"

#include "base/arena.h"
#include "base/err.h"
#include "net/aws_profiles.h"
#include "net/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CHAIN_MAX = 16 }; /* profiles that source each other */

struct planning {
    struct gw_arena *mem;
    const struct gw_aws_profiles *profiles;
    struct gw_aws_plan *out;
    struct gw_err *err;
    const char *seen[CHAIN_MAX];
    size_t n_seen;
};

static const char *of(const struct planning *p, const char *profile, const char *key)
{
    const char *value = gw_aws_profile_get(p->profiles, profile, key);

    return value && *value ? value : NULL;
}

static void take_keys(struct gw_aws_plan *out, const char *id, const char *secret,
                      const char *token)
{
    out->source = GW_AWS_STATIC;
    out->keys = (struct gw_aws_keys){gw_str_of(id), gw_str_of(secret), gw_str_of(token)};
}

static struct gw_aws_role *new_role(struct gw_arena *mem, const char *arn, const char *session)
{
    struct gw_aws_role *role = gw_arena_zalloc(mem, sizeof(*role));

    role->arn = arn;
    role->session = session;
    return role;
}

/* ---- the environment ---- */

static int take_environment(struct gw_aws_plan *out)
{
    const char *id = gw_aws_env("AWS_ACCESS_KEY_ID"), *secret = gw_aws_env("AWS_SECRET_ACCESS_KEY");

    if (!id)
        id = gw_aws_env("AWS_ACCESS_KEY");
    if (!secret)
        secret = gw_aws_env("AWS_SECRET_KEY");
    if (!id || !secret)
        return 0;
    take_keys(out, id, secret, gw_aws_env("AWS_SESSION_TOKEN"));
    return 1;
}

static int take_web_identity(struct planning *p)
{
    const char *file = gw_aws_env("AWS_WEB_IDENTITY_TOKEN_FILE"), *arn = gw_aws_env("AWS_ROLE_ARN");

    if (!file || !arn)
        return 0;
    p->out->source = GW_AWS_WEB_IDENTITY;
    p->out->token_file = file;
    p->out->web = new_role(p->mem, arn, gw_aws_env("AWS_ROLE_SESSION_NAME"));
    return 1;
}

static int has_container(void)
{
    return gw_aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI") ||
           gw_aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
}

static int has_instance(void)
{
    const char *off = gw_aws_env("AWS_EC2_METADATA_DISABLED");

    return !off || strcasecmp(off, "true") != 0;
}

/* ---- a profile ---- */

static int refuse(const struct planning *p, const char *profile, const char *why)
{
    return gw_err_set(p->err, GW_ERR_REJECT, "AWS profile %s: %s", profile, why);
}

/* Behind all others: of profiles that source each other the innermost is assumed first. */
static int add_role(struct planning *p, const char *profile, const char *arn)
{
    struct gw_aws_role **end = &p->out->roles, *role;
    const char *seconds = of(p, profile, "duration_seconds");
    char *end_of = NULL;

    if (of(p, profile, "mfa_serial"))
        return gw_err_set(p->err, GW_ERR_UNSUPPORTED,
                          "AWS profile %s: mfa_serial wants a person: use a role without it",
                          profile);
    while (*end)
        end = &(*end)->next;
    *end = role = new_role(p->mem, arn, of(p, profile, "role_session_name"));
    role->external_id = of(p, profile, "external_id");
    role->duration_s = seconds ? strtoll(seconds, &end_of, 10) : 0;
    return seconds && (role->duration_s < 1 || *end_of)
               ? refuse(p, profile, "duration_seconds is a number of seconds")
               : 1;
}

static int take_named_source(struct planning *p, const char *profile, const char *source)
{
    if (!strcasecmp(source, "Environment"))
        return take_environment(p->out) ? 1
                                        : refuse(p, profile,
                                                 "credential_source is Environment, and "
                                                 "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is "
                                                 "not set");
    if (!strcasecmp(source, "Ec2InstanceMetadata"))
        p->out->source = GW_AWS_INSTANCE;
    else if (!strcasecmp(source, "EcsContainer"))
        p->out->source = GW_AWS_CONTAINER;
    else
        return refuse(p, profile,
                      "credential_source is one of Environment, Ec2InstanceMetadata, EcsContainer");
    return 1;
}

static int take_profile(struct planning *p, const char *profile);

static int take_sourced(struct planning *p, const char *profile, const char *source)
{
    int rc;

    for (size_t i = 0; i < p->n_seen; i++)
        if (!strcmp(p->seen[i], source))
            return refuse(p, profile, "source_profile leads back to a profile before");
    if (p->n_seen == CHAIN_MAX)
        return refuse(p, profile, "too many profiles source each other");
    if (!gw_aws_profile_exists(p->profiles, source))
        return gw_err_set(p->err, GW_ERR_REJECT, "AWS profile %s: there is no source_profile %s",
                          profile, source);
    if ((rc = take_profile(p, source)))
        return rc;
    return gw_err_set(p->err, GW_ERR_REJECT,
                      "AWS profile %s: its source_profile %s says nothing of credentials", profile,
                      source);
}

static int take_own_keys(struct planning *p, const char *profile)
{
    const char *id = of(p, profile, "aws_access_key_id");
    const char *secret = of(p, profile, "aws_secret_access_key");

    if (!id && !secret)
        return 0;
    if (!id || !secret)
        return refuse(p, profile, "aws_access_key_id and aws_secret_access_key go together");
    take_keys(p->out, id, secret, of(p, profile, "aws_session_token"));
    return 1;
}

static int take_last(struct planning *p, const char *profile)
{
    if (of(p, profile, "sso_start_url") || of(p, profile, "sso_session"))
        return gw_err_set(p->err, GW_ERR_UNSUPPORTED,
                          "AWS profile %s: SSO wants a person to log in: use a role, or "
                          "credential_process = aws configure export-credentials",
                          profile);
    p->out->command = of(p, profile, "credential_process");
    p->out->source = GW_AWS_PROCESS;
    return p->out->command != NULL;
}

/* What the profile's role, if it has one, is assumed with. */
static int take_base(struct planning *p, const char *profile, const char *arn)
{
    const char *sourced = arn ? of(p, profile, "source_profile") : NULL;
    const char *named = arn ? of(p, profile, "credential_source") : NULL;
    int rc;

    if (sourced && named)
        return refuse(p, profile, "source_profile and credential_source exclude each other");
    if (sourced && strcmp(sourced, profile) != 0)
        return take_sourced(p, profile, sourced);
    if ((rc = take_own_keys(p, profile)))
        return rc;
    return named ? take_named_source(p, profile, named) : take_last(p, profile);
}

/* 1: taken; 0: it says nothing of credentials. */
static int take_profile(struct planning *p, const char *profile)
{
    const char *arn = of(p, profile, "role_arn");
    const char *file = of(p, profile, "web_identity_token_file");
    int rc;

    p->seen[p->n_seen++] = profile;
    if (file && arn && !of(p, profile, "source_profile") && !of(p, profile, "credential_source") &&
        !of(p, profile, "aws_access_key_id")) {
        p->out->source = GW_AWS_WEB_IDENTITY;
        p->out->token_file = file;
        p->out->web = new_role(p->mem, arn, of(p, profile, "role_session_name"));
        return 1;
    }
    rc = take_base(p, profile, arn);
    if (rc < 0 || !arn)
        return rc;
    return rc ? add_role(p, profile, arn)
              : refuse(p, profile,
                       "role_arn needs source_profile, credential_source or "
                       "web_identity_token_file");
}

/* ---- all ---- */

static int take_shared_files(struct planning *p)
{
    const char *profile = gw_aws_profile_name();

    if (!gw_aws_profile_exists(p->profiles, profile))
        return gw_aws_env("AWS_PROFILE") || gw_aws_env("AWS_DEFAULT_PROFILE")
                   ? refuse(p, profile,
                            "named by AWS_PROFILE, but in neither of the files "
                            "that AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE "
                            "name (or ~/.aws/credentials and ~/.aws/config)")
                   : 0;
    p->out->from = gw_arena_printf(p->mem, "profile %s", profile).p;
    return take_profile(p, profile);
}

int gw_aws_plan_make(struct gw_arena *mem, const struct gw_aws_profiles *profiles,
                     struct gw_aws_plan *out, struct gw_err *err)
{
    struct planning p = {.mem = mem, .profiles = profiles, .out = out, .err = err};
    int rc;

    *out = (struct gw_aws_plan){.from = "the environment"};
    if (take_environment(out) || take_web_identity(&p))
        return 0;
    if ((rc = take_shared_files(&p)))
        return rc < 0 ? -1 : 0;
    *out = (struct gw_aws_plan){.source = has_container() ? GW_AWS_CONTAINER : GW_AWS_INSTANCE};
    out->from = has_container() ? "the container" : "the instance";
    if (!has_container() && !has_instance())
        return gw_err_set(err, GW_ERR_REJECT,
                          "no AWS credentials: neither AWS_ACCESS_KEY_ID nor a web identity, a "
                          "profile or a container, and AWS_EC2_METADATA_DISABLED is true");
    return 0;
}

/* ---- names ---- */

int gw_aws_is_fifo(struct gw_str topic)
{
    return topic.len > 5 && !memcmp(topic.p + topic.len - 5, ".fifo", 5);
}

const char *gw_aws_queue_problem(const char *url, char *why, size_t size)
{
    char partition[20], region[40], account[20], name[90], end;

    if (strncmp(url, "arn:", 4) != 0)
        return gw_fetch_url_problem(url);
    if (sscanf(url, "arn:%19[a-z-]:sqs:%39[a-z0-9-]:%19[0-9]:%89[A-Za-z0-9_.-]%c", partition,
               region, account, name, &end) == 4)
        snprintf(
            why, size,
            "an ARN, and a URL is wanted (did you mean \"https://sqs.%s.amazonaws.com%s/%s/%s\"?)",
            region, strcmp(partition, "aws-cn") ? "" : ".cn", account, name);
    else
        snprintf(why, size,
                 "an ARN, and a URL is wanted: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME");
    return why;
}
