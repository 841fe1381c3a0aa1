/* Where services are: every region as botocore has it, and whose word counts. */
#include "base/arena.h"
#include "base/err.h"
#include "net/aws_endpoint.h"
#include "net/aws_profiles.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct gw_aws_profiles *read_config(struct gw_arena *mem, const char *text)
{
    FILE *f = fopen("config", "w");
    struct gw_err err;

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
    setenv("AWS_SHARED_CREDENTIALS_FILE", "none", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
    return gw_aws_profiles_read(mem, &err);
}

/* spec/conformance/test_aws_endpoints.py holds the file to botocore. */
TEST(test_aws_endpoints_are_botocores_in_every_partition)
{
    struct gw_arena *mem = gw_arena_new();
    char name[8], region[32], fips[8], dual[8], url[128], again[64];
    FILE *f = fopen(gw_arena_printf(mem, "%s/spec/golden/aws-endpoints.txt", spec_root()).p, "r");
    int n = 0;

    clearenv();
    CHECK(f);
    while (fscanf(f, "%7s %31s %7s %7s %127s", name, region, fips, dual, url) == 5) {
        const char *got;

        setenv("AWS_USE_FIPS_ENDPOINT", *fips == '-' ? "false" : "true", 1);
        setenv("AWS_USE_DUALSTACK_ENDPOINT", *dual == '-' ? "" : "TRUE", 1);
        got = gw_aws_endpoint(mem, NULL, name, region);
        if (strcmp(got, url) != 0)
            fprintf(stderr, "%s, not %s\n", got, url);
        CHECK(!strcmp(got, url) && gw_aws_is_own(url));
        if (!strcmp(name, "sqs")) /* and a queue there says where it is */
            CHECK(!strcmp(
                gw_aws_region_of(gw_arena_printf(mem, "%s/1/q", url).p, again, sizeof(again)),
                region));
        n++;
    }
    CHECK(n > 200);
    fclose(f);
    gw_arena_free(mem);
}

#define SERVICES                                                                                   \
    "[profile p]\nservices = s\nendpoint_url = http://profile\nca_bundle = /p.pem\n"               \
    "use_fips_endpoint = true\n[services s]\nsqs =\n  endpoint_url = http://service\n"

TEST(test_aws_endpoints_are_those_of_the_environment_then_the_profiles)
{
    static const struct {
        const char *env[4], *config, *sns, *sqs;
    } cases[] = {
        {{"AWS_ENDPOINT_URL_SQS=http://q", "AWS_ENDPOINT_URL=http://all"},
         SERVICES,
         "http://all",
         "http://q"},
        {{"AWS_ENDPOINT_URL_SQS=http://q", "AWS_PROFILE=p"},
         SERVICES,
         "http://profile",
         "http://q"},
        {{"AWS_PROFILE=p"}, SERVICES, "http://profile", "http://service"},
        {{"AWS_ENDPOINT_URL=http://all", "AWS_PROFILE=p",
          "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"},
         SERVICES,
         "https://sns-fips.eu-west-1.amazonaws.com",
         "https://sqs-fips.eu-west-1.amazonaws.com"},
        {{"AWS_PROFILE=p"},
         "[profile p]\nendpoint_url =\nuse_dualstack_endpoint = true\n",
         "https://sns.eu-west-1.api.aws",
         "https://sqs.eu-west-1.api.aws"},
        {{"AWS_PROFILE=p", "AWS_USE_DUALSTACK_ENDPOINT=false"},
         "[profile p]\nuse_dualstack_endpoint = true\n",
         "https://sns.eu-west-1.amazonaws.com",
         "https://sqs.eu-west-1.amazonaws.com"},
        {{NULL},
         SERVICES,
         "https://sns.eu-west-1.amazonaws.com",
         "https://sqs.eu-west-1.amazonaws.com"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_arena *mem = gw_arena_new();
        struct gw_aws_profiles *p;

        clearenv();
        for (size_t k = 0; k < 4 && cases[i].env[k]; k++)
            putenv(gw_arena_strndup(mem, cases[i].env[k], strlen(cases[i].env[k])));
        p = read_config(mem, cases[i].config);
        CHECK(p && !strcmp(gw_aws_endpoint(mem, p, "sns", "eu-west-1"), cases[i].sns));
        CHECK(!strcmp(gw_aws_endpoint(mem, p, "sqs", "eu-west-1"), cases[i].sqs));
        clearenv();
        gw_arena_free(mem);
    }
}

TEST(test_aws_ca_is_the_environments_or_the_profiles)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_profiles *p;

    clearenv();
    setenv("AWS_PROFILE", "p", 1);
    p = read_config(mem, SERVICES);
    CHECK(p && !strcmp(gw_aws_ca(p), "/p.pem") && !gw_aws_ca(NULL));
    setenv("AWS_CA_BUNDLE", "/e.pem", 1);
    CHECK(!strcmp(gw_aws_ca(p), "/e.pem") && !strcmp(gw_aws_ca(NULL), "/e.pem"));
    gw_arena_free(mem);
}

TEST(test_aws_region_is_in_an_arn_and_in_every_form_of_a_queues_url)
{
    static const struct {
        const char *of, *region;
    } cases[] = {
        {"arn:aws:sns:us-east-2:1:t", "us-east-2"},
        {"arn:aws-cn:sqs:cn-north-1:1:q", "cn-north-1"},
        {"arn:aws:sns", NULL},
        {"https://sqs.us-east-2.amazonaws.com/1/q", "us-east-2"},
        {"https://sqs.amazonaws.com/1/q", NULL}, /* of no region: the environment's */
        {"https://sqs.us-east-2.amazonaws.com:443/1/q", "us-east-2"},
        {"https://sqs-fips.us-gov-west-1.api.aws/1/q", "us-gov-west-1"},
        {"https://vpce-0a1-b2.sqs.eu-west-1.vpce.amazonaws.com/1/q", "eu-west-1"},
        {"https://eu-west-3.queue.amazonaws.com/1/q", "eu-west-3"},
        {"https://queue.amazonaws.com/1/q", "us-east-1"},
        {"https://sqs.us-east-2.localstack.cloud:4566/1/q", NULL},
        {"http://localhost:9324/1/sqs.us-east-2.amazonaws.com", NULL},
        {"sqs.us-east-2.amazonaws.com/1/q", NULL},
    };
    char out[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *got = gw_aws_region_of(cases[i].of, out, sizeof(out));

        if (got ? !cases[i].region || strcmp(got, cases[i].region) != 0 : !!cases[i].region)
            fprintf(stderr, "%s: %s\n", cases[i].of, got ? got : "none");
        CHECK(got ? cases[i].region && !strcmp(got, cases[i].region) : !cases[i].region);
    }
}

TEST(test_aws_region_is_wanted_hinted_set_or_of_the_profile)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_profiles *p;

    clearenv();
    setenv("AWS_DEFAULT_REGION", "default-1", 1);
    setenv("AWS_REGION", "env-1", 1);
    setenv("AWS_PROFILE", "p", 1);
    p = read_config(mem, "[profile p]\nregion = profile-1\n[default]\nregion =\n");
    CHECK(p);
    CHECK(!strcmp(gw_aws_region(p, "own-1", "arn-1"), "own-1"));
    CHECK(!strcmp(gw_aws_region(p, NULL, "arn-1"), "arn-1"));
    CHECK(!strcmp(gw_aws_region(p, NULL, NULL), "env-1"));
    unsetenv("AWS_REGION");
    CHECK(!strcmp(gw_aws_region(p, NULL, ""), "default-1"));
    unsetenv("AWS_DEFAULT_REGION");
    CHECK(!strcmp(gw_aws_region(p, "", NULL), "profile-1"));
    unsetenv("AWS_PROFILE");
    CHECK(!gw_aws_region(p, NULL, NULL));
    gw_arena_free(mem);
}
