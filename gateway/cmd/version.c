#include "cmd/cmd.h"
#include "cmd/option.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <librdkafka/rdkafka.h>
#include <lua.h>
#include <nats/nats.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>
#include <sqlite3.h>
#include <stdio.h>
#include <yaml.h>
#include <zlib.h>

/* What a bug report needs: the versions the process runs with, not those it was compiled against
 * (Lua has no other). */

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

int gw_cmd_version(int argc, char **argv)
{
    static const struct gw_option options[] = {{0}};
    static const struct gw_usage usage = {
        .command = "version",
        .line = "moongate version",
        .about = "Prints version, build, libraries and their versions.",
        .options = options,
    };
    int n_args, rc = gw_options(&usage, argc, argv, &n_args);

    if (rc != GW_OPTIONS_OK)
        return rc;
    printf("moongate %s\n", GW_VERSION);
    printf("build: %s, C%ld%s\n", COMPILER, __STDC_VERSION__,
#if defined(__OPTIMIZE__)
           ", optimised"
#else
           ""
#endif
    );
    printf("lua %s.%s\n", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR, LUA_VERSION_RELEASE);
    printf("protobuf-c %s\n", protobuf_c_version());
    printf("nghttp2 %s\n", nghttp2_version(0)->version_str);
    printf("libevent %s\n", event_get_version());
    printf("openssl %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    printf("libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
    printf("librdkafka %s\n", rd_kafka_version_str());
    printf("libnats %s\n", nats_GetVersion());
    printf("sqlite %s\n", sqlite3_libversion());
    printf("zlib %s\n", zlibVersion());
    printf("libyaml %s\n", yaml_get_version_string());
    return 0;
}
