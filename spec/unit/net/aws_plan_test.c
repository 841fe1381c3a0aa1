/* Where AWS credentials are looked for, and in which order. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/aws_plan.h"
#include "net/aws_profiles.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define KEYS "AWS_ACCESS_KEY_ID=E AWS_SECRET_ACCESS_KEY=S "
#define WEB  "AWS_WEB_IDENTITY_TOKEN_FILE=/token AWS_ROLE_ARN=arn:web "
#define TASK "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/x "

/* `env`: NAME=value with a space behind each. What is planned, as text; or the error. */
static const struct {
    const char *env, *credentials, *config, *want;
} cases[] = {
    /* the environment, before everything */
    {KEYS WEB TASK "AWS_PROFILE=a ", "[a]\naws_access_key_id=A\naws_secret_access_key=B\n", "",
     "static E of the environment"},
    {"AWS_ACCESS_KEY=E2 AWS_SECRET_KEY=S AWS_SESSION_TOKEN=T ", "", "",
     "static E2 T of the environment"},
    {"AWS_ACCESS_KEY_ID=E ", "", "", "instance of the instance"},
    {WEB "AWS_ROLE_SESSION_NAME=me ", "[default]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "", "web arn:web session me of the environment"},
    /* profiles */
    {TASK, "[default]\naws_access_key_id=A\naws_secret_access_key=B\naws_session_token=T\n", "",
     "static A T of profile default"},
    {"AWS_PROFILE=p ", "[p]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "[profile p]\naws_access_key_id=other\nregion=r\n", "static A of profile p"},
    {"AWS_PROFILE=p ", "", "[profile p]\ncredential_process = /bin/x --y\n",
     "process /bin/x --y of profile p"},
    {"AWS_PROFILE=p ", "",
     "[profile p]\nrole_arn=arn:p\nweb_identity_token_file=/t\nrole_session_name=s\n",
     "web arn:p session s of profile p"},
    {"AWS_PROFILE=p ", "[base]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "[profile p]\nrole_arn=arn:p\nsource_profile=q\nexternal_id=x\nduration_seconds=900\n"
     "[profile q]\nrole_arn=arn:q\nsource_profile=base\n",
     "static A of profile p, arn:q, arn:p external x for 900"},
    {"AWS_PROFILE=p ", "[p]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "[profile p]\nrole_arn=arn:p\nsource_profile=p\n", "static A of profile p, arn:p"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\ncredential_source=Ec2InstanceMetadata\n",
     "instance of profile p, arn:p"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\ncredential_source=EcsContainer\n",
     "container of profile p, arn:p"},
    {"AWS_PROFILE=p ", "",
     "[profile p]\nrole_arn=arn:p\nsource_profile=w\n"
     "[profile w]\nrole_arn=arn:w\nweb_identity_token_file=/t\n",
     "web arn:w of profile p, arn:p"},
    /* a profile that says nothing of credentials */
    {TASK, "", "[default]\nregion=eu\n", "container of the container"},
    {"", "", "[default]\nregion=eu\n", "instance of the instance"},
    {"AWS_EC2_METADATA_DISABLED=TRUE ", "", "",
     "no AWS credentials: neither AWS_ACCESS_KEY_ID nor a web identity, a profile or a container, "
     "and AWS_EC2_METADATA_DISABLED is true"},
    /* what cannot be */
    {"AWS_PROFILE=p ", "", "",
     "AWS profile p: named by AWS_PROFILE, but in neither of the files that "
     "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name (or ~/.aws/credentials and "
     "~/.aws/config)"},
    {"AWS_DEFAULT_PROFILE=p ", "", "",
     "AWS profile p: named by AWS_PROFILE, but in neither of the files that "
     "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name (or ~/.aws/credentials and "
     "~/.aws/config)"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\nsource_profile=q\n",
     "AWS profile p: there is no source_profile q"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\nsource_profile=q\n[profile q]\nregion=r\n",
     "AWS profile p: its source_profile q says nothing of credentials"},
    {"AWS_PROFILE=p ", "[q]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "[profile p]\nrole_arn=arn:p\nsource_profile=q\nduration_seconds=1h\n",
     "AWS profile p: duration_seconds is a number of seconds"},
    {"AWS_PROFILE=p ", "",
     "[profile p]\nrole_arn=arn:p\nsource_profile=q\n[profile q]\nrole_arn=arn:q\n"
     "source_profile=p\n",
     "AWS profile q: source_profile leads back to a profile before"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\n",
     "AWS profile p: role_arn needs source_profile, credential_source or web_identity_token_file"},
    {"AWS_PROFILE=p ", "[q]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "[profile p]\nrole_arn=arn:p\nsource_profile=q\ncredential_source=EcsContainer\n",
     "AWS profile p: source_profile and credential_source exclude each other"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\ncredential_source=Environment\n",
     "AWS profile p: credential_source is Environment, and AWS_ACCESS_KEY_ID or "
     "AWS_SECRET_ACCESS_KEY is not set"},
    {"AWS_PROFILE=p ", "", "[profile p]\nrole_arn=arn:p\ncredential_source=Moon\n",
     "AWS profile p: credential_source is one of Environment, Ec2InstanceMetadata, EcsContainer"},
    {"", "[default]\naws_access_key_id=A\n", "",
     "AWS profile default: aws_access_key_id and aws_secret_access_key go together"},
    {"AWS_PROFILE=p ", "[q]\naws_access_key_id=A\naws_secret_access_key=B\n",
     "[profile p]\nrole_arn=arn:p\nsource_profile=q\nmfa_serial=m\n",
     "AWS profile p: mfa_serial wants a person: use a role without it"},
    {"AWS_PROFILE=p ", "", "[profile p]\nsso_session=s\n",
     "AWS profile p: SSO wants a person to log in: use a role, or credential_process = aws "
     "configure export-credentials"},
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static void set_environment(const char *text)
{
    char name[64], value[64];
    int n;

    clearenv();
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
    for (; sscanf(text, "%63[^=]=%63s %n", name, value, &n) == 2; text += n)
        setenv(name, value, 1);
}

static void put_role(struct gw_buf *b, const struct gw_aws_role *r)
{
    gw_buf_puts(b, r->arn);
    if (r->session)
        gw_buf_printf(b, " session %s", r->session);
    if (r->external_id)
        gw_buf_printf(b, " external %s", r->external_id);
    if (r->duration_s)
        gw_buf_printf(b, " for %d", (int)r->duration_s);
}

static void put_plan(struct gw_buf *b, const struct gw_aws_plan *p)
{
    static const char *const names[] = {"static ", "web ", "process ", "container", "instance"};

    gw_buf_puts(b, names[p->source]);
    if (p->source == GW_AWS_STATIC) {
        gw_buf_put_str(b, p->keys.id);
        if (p->keys.token.p)
            gw_buf_printf(b, " %s", p->keys.token.p);
    } else if (p->source == GW_AWS_WEB_IDENTITY) {
        put_role(b, p->web);
    } else if (p->source == GW_AWS_PROCESS) {
        gw_buf_puts(b, p->command);
    }
    gw_buf_printf(b, " of %s", p->from);
    for (const struct gw_aws_role *r = p->roles; r; r = r->next) {
        gw_buf_puts(b, ", ");
        put_role(b, r);
    }
}

static void check_case(size_t i)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_profiles *profiles;
    struct gw_aws_plan plan;
    struct gw_err err;
    struct gw_buf got;

    set_environment(cases[i].env);
    write_file("credentials", cases[i].credentials);
    write_file("config", cases[i].config);
    profiles = gw_aws_profiles_read(mem, &err);
    CHECK(profiles);
    gw_buf_init(&got, 4096, mem);
    if (gw_aws_plan_make(mem, profiles, &plan, &err))
        gw_buf_puts(&got, err.msg);
    else
        put_plan(&got, &plan);
    if (!gw_str_is(gw_buf_str(&got), cases[i].want)) {
        fprintf(stderr, "%zu: %.*s\n", i, (int)got.len, got.p);
        exit(1);
    }
    gw_arena_free(mem);
}

TEST(test_aws_plan_is_the_order_of_the_sdks)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_case(i);
}
