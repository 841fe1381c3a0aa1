/* Credentials from nearby: the container's agent (ECS, EKS pod identity) and the instance's
 * metadata, version 2 alone. */
#include "net/aws_ask.h"

#include "base/arena.h"
#include "net/aws_answer.h"
#include "net/aws_profiles.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void get(struct gw_aws_ask *a, const char *url, void (*done)(struct gw_fetch *f))
{
    a->near.url = url;
    a->near.method = "GET";
    a->near.body = (struct gw_str){0};
    a->near.done = done;
    gw_fetch_headers_clear(&a->near);
}

/* ---- the container ---- */

static void on_container(struct gw_fetch *f)
{
    struct gw_aws_ask *a = GW_CONTAINER(f, struct gw_aws_ask, near);

    if (f->status == 200)
        gw_aws_ask_json(a, gw_buf_str(&f->answer), "Token", "the container's credentials");
    else
        gw_aws_ask_refused(a, f, "the container's credentials");
}

static int is_near4(uint32_t address)
{
    return address >> 24 == 127 || address == 0xa9feaa02 || address == 0xa9feaa17;
}

/* Without TLS only to this machine and the agents of ECS and EKS. */
static const char *refuse_far(struct gw_fetch *f, const struct sockaddr *to)
{
    static const unsigned char eks[16] = {0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23};
    const struct sockaddr_in *v4 = (const void *)to;
    const struct sockaddr_in6 *v6 = (const void *)to;

    if (!strncmp(f->url, "https:", 6) ||
        (to->sa_family == AF_INET && is_near4(ntohl(v4->sin_addr.s_addr))) ||
        (to->sa_family == AF_INET6 &&
         (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) || !memcmp(&v6->sin6_addr, eks, sizeof(eks)))))
        return NULL;
    return "AWS_CONTAINER_CREDENTIALS_FULL_URI without TLS is for this machine, 169.254.170.2, "
           "169.254.170.23 and fd00:ec2::23";
}

void gw_aws_ask_container(struct gw_aws_ask *a)
{
    const char *full = gw_aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *relative = gw_aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *file = gw_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct gw_str token = gw_str_of(gw_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN"));

    if (!full && !relative) {
        gw_aws_ask_fail(a, "the container's credentials",
                        "neither AWS_CONTAINER_CREDENTIALS_FULL_URI nor "
                        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set");
        return;
    }
    /* The relative one counts where both are set, as in most of the SDKs. */
    get(a, relative ? gw_arena_printf(a->mem, "http://169.254.170.2%s", relative).p : full,
        on_container);
    if (gw_fetch_url_problem(a->near.url)) {
        gw_aws_ask_fail(a, "the container's credentials", gw_fetch_url_problem(a->near.url));
        return;
    }
    if (file) {
        token = gw_aws_read_token(a, file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        if (!token.p)
            return;
    }
    if (token.p && (memchr(token.p, '\n', token.len) || memchr(token.p, '\r', token.len))) {
        gw_aws_ask_fail(a, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "not a token in one line");
        return;
    }
    if (token.p)
        gw_fetch_header(&a->near, GW_STR("authorization"), token);
    a->near.refuse = refuse_far;
    gw_fetch_start(&a->near);
}

/* ---- the instance ---- */

static const char credentials_path[] = "/latest/meta-data/iam/security-credentials/";

static const char *metadata(struct gw_aws_ask *a, const char *path)
{
    const char *set = gw_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = gw_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    size_t len;

    if (!set)
        set =
            mode && !strcasecmp(mode, "IPv6") ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    len = strlen(set);
    while (len && set[len - 1] == '/')
        len--;
    return gw_arena_printf(a->mem, "%.*s%s", (int)len, set, path).p;
}

static void get_metadata(struct gw_aws_ask *a, const char *path, void (*done)(struct gw_fetch *f))
{
    get(a, metadata(a, path), done);
    gw_fetch_header(&a->near, GW_STR("x-aws-ec2-metadata-token"), a->instance_token);
    gw_fetch_start(&a->near);
}

static void on_instance_keys(struct gw_fetch *f)
{
    struct gw_aws_ask *a = GW_CONTAINER(f, struct gw_aws_ask, near);
    struct gw_str json = gw_buf_str(&f->answer), code;

    if (f->status != 200) {
        gw_aws_ask_refused(a, f, "the instance's credentials");
        return;
    }
    code = gw_aws_json_text(a->mem, json, "Code");
    if (code.p && !gw_str_is(code, "Success"))
        gw_aws_ask_fail(
            a, "the instance's credentials",
            gw_arena_printf(a->mem, "%.*s", (int)(code.len < 80 ? code.len : 80), code.p).p);
    else
        gw_aws_ask_json(a, json, "Token", "the instance's credentials");
}

static int is_one_word(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
            return 0;
    return s.len > 0;
}

static void on_instance_role(struct gw_fetch *f)
{
    struct gw_aws_ask *a = GW_CONTAINER(f, struct gw_aws_ask, near);
    struct gw_str role = gw_arena_str(a->mem, gw_buf_str(&f->answer));
    const char *end = memchr(role.p, '\n', role.len);

    if (f->status != 200) {
        gw_aws_ask_refused(a, f, "the instance's role");
        return;
    }
    if (end)
        role.len = (size_t)(end - role.p);
    if (!is_one_word(role)) {
        gw_aws_ask_fail(a, "the instance's role", "there is none");
        return;
    }
    get_metadata(a, gw_arena_printf(a->mem, "%s%.*s", credentials_path, (int)role.len, role.p).p,
                 on_instance_keys);
}

static void on_instance_token(struct gw_fetch *f)
{
    struct gw_aws_ask *a = GW_CONTAINER(f, struct gw_aws_ask, near);

    a->instance_token = gw_arena_str(a->mem, gw_buf_str(&f->answer));
    if (f->status != 200)
        gw_aws_ask_refused(a, f,
                           "no AWS credentials in the environment, the shared files or a "
                           "container; the instance's metadata (version 2)");
    else if (!is_one_word(a->instance_token))
        gw_aws_ask_fail(a, "the instance's metadata", "its token is none");
    else
        get_metadata(a, credentials_path, on_instance_role);
}

void gw_aws_ask_instance(struct gw_aws_ask *a)
{
    get(a, metadata(a, "/latest/api/token"), on_instance_token);
    if (gw_fetch_url_problem(a->near.url)) {
        gw_aws_ask_fail(a, "AWS_EC2_METADATA_SERVICE_ENDPOINT", gw_fetch_url_problem(a->near.url));
        return;
    }
    a->near.refuse = NULL;
    a->near.method = "PUT";
    gw_fetch_header(&a->near, GW_STR("x-aws-ec2-metadata-token-ttl-seconds"), GW_STR("21600"));
    gw_fetch_start(&a->near);
}
