#include "net/sha256.h"

#include "base/buf.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <stdlib.h>

void gw_sha256_hex_put(struct gw_buf *out, struct gw_str text)
{
    unsigned char sum[GW_SHA256_HEX / 2];

    if (!EVP_Digest(text.p ? text.p : "", text.len, sum, NULL, EVP_sha256(), NULL))
        abort();
    gw_hex_put(out, (struct gw_str){(const char *)sum, sizeof(sum)});
}

struct gw_str gw_sha256_hex(struct gw_arena *mem, struct gw_str text)
{
    struct gw_buf b;

    gw_buf_init(&b, GW_SHA256_HEX, mem);
    gw_sha256_hex_put(&b, text);
    return gw_buf_str(&b);
}
