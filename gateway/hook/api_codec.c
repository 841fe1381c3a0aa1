/* moongate.base64, hex, sha256, hmac_sha256, uuid, hash. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/guard.h"
#include "hook/vm.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

static struct gw_str check_str(lua_State *L, int idx)
{
    struct gw_str s = gw_check_str(L, idx);

    gw_guard_charge(L, s.len / 16);
    return s;
}

static int push_buf(lua_State *L, const struct gw_buf *b)
{
    gw_guard_buf(L, b);
    lua_pushlstring(L, b->p ? b->p : "", b->len);
    return 1;
}

static int base64_encode(lua_State *L)
{
    struct gw_str s = check_str(L, 1);
    struct gw_buf b;

    gw_scratch_buf(L, &b);
    gw_base64_put(&b, s);
    return push_buf(L, &b);
}

static int base64_decode(lua_State *L)
{
    struct gw_str s = check_str(L, 1), out = gw_base64_decode(gw_scratch(L), s);
    char shown[GW_SHOWN];

    if (!out.p)
        return luaL_error(L, "not base64: %s", gw_show_str(s, shown));
    lua_pushlstring(L, out.p, out.len);
    return 1;
}

static int mg_hex(lua_State *L)
{
    struct gw_str s = check_str(L, 1);
    struct gw_buf b;

    gw_scratch_buf(L, &b);
    gw_hex_put(&b, s);
    return push_buf(L, &b);
}

static int mg_sha256(lua_State *L)
{
    struct gw_str s = check_str(L, 1);
    unsigned char out[SHA256_DIGEST_LENGTH];

    if (!EVP_Digest(s.p, s.len, out, NULL, EVP_sha256(), NULL))
        return luaL_error(L, "sha256 is not available");
    lua_pushlstring(L, (const char *)out, sizeof(out));
    return 1;
}

static int mg_hmac_sha256(lua_State *L)
{
    struct gw_str key = check_str(L, 1), s = check_str(L, 2);
    unsigned char out[SHA256_DIGEST_LENGTH];

    luaL_argcheck(L, key.len <= INT32_MAX, 1, "too long");
    if (!HMAC(EVP_sha256(), key.p, (int)key.len, (const unsigned char *)s.p, s.len, out, NULL))
        return luaL_error(L, "hmac_sha256 is not available");
    lua_pushlstring(L, (const char *)out, sizeof(out));
    return 1;
}

/* Version 8 (RFC 9562: made by the application): the record's seed and the call's number, hashed.
 * The same again after a crash. */
static int mg_uuid(lua_State *L)
{
    struct gw_hook_run *r = gw_run_check(L, "moongate.uuid");
    unsigned char in[12], h[SHA256_DIGEST_LENGTH];
    char out[40];
    unsigned n = ++r->uuids;

    gw_guard_charge(L, 50);
    for (int i = 0; i < 8; i++)
        in[i] = (unsigned char)(r->call->seed >> (8 * i));
    for (int i = 0; i < 4; i++)
        in[8 + i] = (unsigned char)(n >> (8 * i));
    if (!EVP_Digest(in, sizeof(in), h, NULL, EVP_sha256(), NULL))
        return luaL_error(L, "sha256 is not available");
    h[6] = (h[6] & 0x0f) | 0x80;
    h[8] = (h[8] & 0x3f) | 0x80;
    snprintf(out, sizeof(out),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", h[0], h[1],
             h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12], h[13], h[14],
             h[15]);
    lua_pushstring(L, out);
    return 1;
}

static int mg_hash(lua_State *L)
{
    struct gw_str s = check_str(L, 1);
    lua_Integer n = gw_check_integer(L, 2);

    if (n < 1)
        return gw_arg_error(L, 2, "at least 1");
    lua_pushinteger(L, (lua_Integer)(gw_hash64(s) % (uint64_t)n));
    return 1;
}

void gw_api_codec_open(lua_State *L)
{
    static const luaL_Reg base64[] = {
        {"encode", base64_encode}, {"decode", base64_decode}, {NULL, NULL}};
    static const luaL_Reg fns[] = {{"hex", mg_hex},   {"sha256", mg_sha256},
                                   {"uuid", mg_uuid}, {"hmac_sha256", mg_hmac_sha256},
                                   {"hash", mg_hash}, {NULL, NULL}};

    luaL_setfuncs(L, fns, 0);
    lua_createtable(L, 0, 2);
    luaL_setfuncs(L, base64, 0);
    gw_freeze(L, "moongate.base64");
    lua_setfield(L, -2, "base64");
}
