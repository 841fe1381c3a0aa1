#include "net/aws_endpoint.h"

#include "base/arena.h"
#include "net/aws_profiles.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- what is said ---- */

/* Of the profile that is used; an empty value says nothing. */
static const char *of_profile(const struct gw_aws_profiles *profiles, const char *key)
{
    const char *value = profiles ? gw_aws_profile_get(profiles, gw_aws_profile_name(), key) : NULL;

    return value && *value ? value : NULL;
}

static const char *said(const struct gw_aws_profiles *profiles, const char *variable,
                        const char *key)
{
    const char *value = gw_aws_env(variable);

    return value ? value : of_profile(profiles, key);
}

static int is_on(const struct gw_aws_profiles *profiles, const char *variable, const char *key)
{
    const char *value = said(profiles, variable, key);

    return value && !strcasecmp(value, "true");
}

const char *gw_aws_ca(const struct gw_aws_profiles *profiles)
{
    return said(profiles, "AWS_CA_BUNDLE", "ca_bundle");
}

/* ---- regions ---- */

const char *gw_aws_region(const struct gw_aws_profiles *profiles, const char *wanted,
                          const char *hint)
{
    if (wanted && *wanted)
        return wanted;
    if (hint && *hint)
        return hint;
    if (gw_aws_env("AWS_REGION"))
        return gw_aws_env("AWS_REGION");
    return said(profiles, "AWS_DEFAULT_REGION", "region");
}

/* What lies between the dots of a host: the at-th of them, from 0; len 0: there is none. */
static struct gw_str label(struct gw_str host, size_t at)
{
    for (;; at--) {
        const char *dot = host.len ? memchr(host.p, '.', host.len) : NULL;
        const size_t len = dot ? (size_t)(dot - host.p) : host.len;

        if (!at)
            return (struct gw_str){host.p, len};
        host.p += dot ? len + 1 : host.len;
        host.len -= dot ? len + 1 : host.len;
    }
}

/* Every region's name has a dash; sqs.amazonaws.com is of none. */
static struct gw_str region_label(struct gw_str host, size_t at)
{
    const struct gw_str l = label(host, at);

    return l.len && memchr(l.p, '-', l.len) ? l : (struct gw_str){0};
}

/* sqs.REGION.…, sqs-fips.REGION.…, vpce-….sqs.REGION.vpce.…, the old REGION.queue.… and queue.… */
static struct gw_str region_of_host(struct gw_str host)
{
    for (size_t i = 0; label(host, i).len; i++) {
        const struct gw_str l = label(host, i);

        if (gw_str_is(l, "sqs") || gw_str_is(l, "sqs-fips"))
            return region_label(host, i + 1);
        if (gw_str_is(l, "queue"))
            return i ? region_label(host, i - 1) : GW_STR("us-east-1");
    }
    return (struct gw_str){0};
}

const char *gw_aws_region_of(const char *to, char *out, size_t size)
{
    struct gw_str region = {0}, path;
    const char *at = to;

    if (!strncmp(to, "arn:", 4)) { /* arn:partition:service:region:… */
        for (int colons = 0; at && colons < 3; colons++)
            at = (at = strchr(at, ':')) ? at + 1 : NULL;
        region = (struct gw_str){at, at ? strcspn(at, ":") : 0};
    } else if (gw_aws_is_own(to)) {
        gw_aws_split_url(to, &region, &path);
        region = region_of_host(region);
    }
    if (!region.len || region.len >= size)
        return NULL;
    memcpy(out, region.p, region.len);
    out[region.len] = '\0';
    return out;
}

/* ---- URLs ---- */

/* By the beginning of a region's name; the last one has all others. */
static const struct partition {
    const char *prefix, *suffix, *dual;
} partitions[] = {{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
                  {"us-gov-", "amazonaws.com", "api.aws"},
                  {"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
                  {"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
                  {"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
                  {"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
                  {"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
                  {"", "amazonaws.com", "api.aws"}};

static const struct partition *partition_of(const char *region)
{
    const struct partition *p = partitions;

    while (strncmp(region, p->prefix, strlen(p->prefix)) != 0)
        p++;
    return p;
}

static int ends_in(struct gw_str host, const char *suffix)
{
    const size_t len = strlen(suffix);

    return host.len > len && host.p[host.len - len - 1] == '.' &&
           !strncasecmp(host.p + host.len - len, suffix, len);
}

int gw_aws_is_own(const char *url)
{
    struct gw_str host, path;

    if (!strstr(url, "://"))
        return 0;
    gw_aws_split_url(url, &host, &path);
    for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++)
        if (ends_in(host, partitions[i].suffix) || ends_in(host, partitions[i].dual))
            return 1;
    return 0;
}

static const char *of_services(struct gw_arena *mem, const struct gw_aws_profiles *profiles,
                               const char *name)
{
    const char *section = of_profile(profiles, "services");
    const char *url = section ? gw_aws_section_get(profiles, "services", section,
                                                   gw_arena_printf(mem, "%s.endpoint_url", name).p)
                              : NULL;

    return url && *url ? url : NULL;
}

static const char *configured(struct gw_arena *mem, const struct gw_aws_profiles *profiles,
                              const char *name)
{
    const char *url;
    char variable[40], upper[16] = "";

    if (is_on(profiles, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls"))
        return NULL;
    for (size_t i = 0; name[i] && i + 1 < sizeof(upper); i++)
        upper[i] = (char)toupper((unsigned char)name[i]);
    (void)snprintf(variable, sizeof(variable), "AWS_ENDPOINT_URL_%s", upper);
    url = gw_aws_env(variable);
    if (!url)
        url = gw_aws_env("AWS_ENDPOINT_URL");
    if (!url)
        url = of_services(mem, profiles, name);
    return url ? url : of_profile(profiles, "endpoint_url");
}

const char *gw_aws_endpoint(struct gw_arena *mem, const struct gw_aws_profiles *profiles,
                            const char *name, const char *region)
{
    const char *url = configured(mem, profiles, name);
    const struct partition *p;
    int fips, dual;

    if (url)
        return url;
    if (!region)
        return gw_arena_printf(mem, "https://%s.amazonaws.com", name).p;
    p = partition_of(region);
    dual = is_on(profiles, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");
    fips = is_on(profiles, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
    if (!dual && !strcmp(p->prefix, "us-gov-")) /* they all are there */
        fips = 0;
    return gw_arena_printf(mem, "https://%s%s.%s.%s", name, fips ? "-fips" : "", region,
                           dual ? p->dual : p->suffix)
        .p;
}

void gw_aws_split_url(const char *url, struct gw_str *host, struct gw_str *path)
{
    const char *at = strstr(url, "://") + 3;
    const size_t len = strcspn(at, "/?#");
    const char *port = !strncasecmp(url, "https:", 6) ? ":443" : ":80";
    const size_t n = strlen(port);

    *host = (struct gw_str){at, len};
    if (len > n && !memcmp(at + len - n, port, n))
        host->len -= n;
    *path = (struct gw_str){at + len, strcspn(at + len, "?#")};
}
