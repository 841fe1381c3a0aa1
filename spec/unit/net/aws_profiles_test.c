/* The files that AWS's tools share. */
#include "base/arena.h"
#include "base/err.h"
#include "net/aws_profiles.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static struct gw_aws_profiles *read_them(struct gw_arena *mem, const char *credentials,
                                         const char *config, struct gw_err *err)
{
    write_file("credentials", credentials);
    write_file("config", config);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "credentials", 1);
    setenv("AWS_CONFIG_FILE", "config", 1);
    return gw_aws_profiles_read(mem, err);
}

static int says(const struct gw_aws_profiles *p, const char *profile, const char *key,
                const char *value)
{
    const char *got = gw_aws_profile_get(p, profile, key);

    return value ? got && !strcmp(got, value) : !got;
}

TEST(test_aws_profiles_are_those_of_both_files)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_err err;
    struct gw_aws_profiles *p =
        read_them(mem,
                  "# keys\n[default]\naws_access_key_id = A\naws_secret_access_key=b=c # mine\n\n"
                  "[dev one]\nAWS_Access_Key_Id = D\nregion = r-cred\n[profile odd]\nx = 1\n",
                  "[default]\r\nregion = eu-1\r\naws_access_key_id = other\r\n"
                  "[profile dev one]\nregion = r-conf\nrole_arn = arn:aws:iam::1:role/r;x\n"
                  "; a comment\n[dev]\nregion = passed over\n[sso-session s]\nsso_region = eu-2\n"
                  "[profile nested]\ns3 =\n  max = 1\n  Other = 2\nca = a\n  b\n",
                  &err);

    CHECK(p);
    CHECK(says(p, "default", "aws_access_key_id", "A"));
    CHECK(says(p, "default", "aws_secret_access_key", "b=c"));
    CHECK(says(p, "default", "region", "eu-1"));
    CHECK(says(p, "dev one", "aws_access_key_id", "D"));
    CHECK(says(p, "dev one", "region", "r-cred"));
    CHECK(says(p, "dev one", "role_arn", "arn:aws:iam::1:role/r;x"));
    CHECK(says(p, "profile odd", "x", "1"));
    CHECK(says(p, "dev", "region", NULL) && !gw_aws_profile_exists(p, "dev"));
    CHECK(gw_aws_profile_exists(p, "nested") && !gw_aws_profile_exists(p, "none"));
    CHECK(!strcmp(gw_aws_section_get(p, "sso-session", "s", "sso_region"), "eu-2"));
    CHECK(says(p, "nested", "s3.max", "1") && says(p, "nested", "s3.other", "2"));
    CHECK(says(p, "nested", "ca", "a\nb"));
    gw_arena_free(mem);
}

TEST(test_aws_profiles_of_files_that_are_not_there_are_none)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_aws_profiles *p;
    struct gw_err err;

    setenv("AWS_SHARED_CREDENTIALS_FILE", "no such file", 1);
    unsetenv("AWS_CONFIG_FILE");
    setenv("HOME", "also/not", 1);
    p = gw_aws_profiles_read(mem, &err);
    CHECK(p && !gw_aws_profile_exists(p, "default"));
    gw_arena_free(mem);
}

TEST(test_aws_profiles_name_the_line_that_is_wrong_and_no_value)
{
    static const struct {
        const char *credentials, *config, *error;
    } wrong[] = {
        {"[a]\nsecret\n", "", "credentials:2: neither a [section], nor key = value, nor a comment"},
        {"[a\n", "", "credentials:1: a section without its ]"},
        {"", "[default]\n= secret\n", "config:2: a value without its key"},
        {"", "[default]\n  secret = 1\n", "config:2: an indented line that belongs to no key"},
        {"", "[default]\ns3 =\n  secret\n", "config:3: neither key = value nor a comment"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct gw_arena *mem = gw_arena_new();
        struct gw_err err;

        CHECK(!read_them(mem, wrong[i].credentials, wrong[i].config, &err));
        if (strcmp(err.msg, wrong[i].error) != 0) {
            fprintf(stderr, "%s\n", err.msg);
            exit(1);
        }
        gw_arena_free(mem);
    }
}

TEST(test_aws_profiles_cannot_be_read_says_which_and_why)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_err err;

    setenv("AWS_SHARED_CREDENTIALS_FILE", ".", 1);
    CHECK(!gw_aws_profiles_read(mem, &err));
    CHECK(err.kind == GW_ERR_RETRY && !strcmp(err.msg, ".: Is a directory"));
    gw_arena_free(mem);
}

TEST(test_aws_profile_name_is_the_environments_or_default)
{
    unsetenv("AWS_PROFILE");
    unsetenv("AWS_DEFAULT_PROFILE");
    CHECK(!strcmp(gw_aws_profile_name(), "default"));
    setenv("AWS_DEFAULT_PROFILE", "d", 1);
    CHECK(!strcmp(gw_aws_profile_name(), "d"));
    setenv("AWS_PROFILE", "p", 1);
    CHECK(!strcmp(gw_aws_profile_name(), "p"));
}
