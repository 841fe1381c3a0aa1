/* Nkeys: a seed is base32 of a prefix, 32 bytes of Ed25519 and a CRC (github.com/nats-io/nkeys). */
#include "base/err.h"
#include "publish/publish_nats.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_MAX = 16384,
    SEED_TEXT = 58,
    SEED_BYTES = 36,
    KEY = 32,
    PUBLIC_BYTES = 35,
    SEED_PREFIX = 18 << 3,
    USER_PREFIX = 20 << 3
};

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static int decode(const char *text, unsigned char out[SEED_BYTES])
{
    unsigned bits = 0, value = 0;
    size_t n = 0;

    for (size_t i = 0; i < SEED_TEXT; i++) {
        const char *at = text[i] ? strchr(digits, text[i]) : NULL;

        if (!at)
            return -1;
        value = (value << 5 | (unsigned)(at - digits)) & 0xffff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(value >> bits);
        }
    }
    return n == SEED_BYTES ? 0 : -1;
}

static void encode(const unsigned char *bytes, size_t n, char *out)
{
    unsigned bits = 0, value = 0;

    for (size_t i = 0; i < n; i++) {
        value = (value << 8 | bytes[i]) & 0xffff;
        for (bits += 8; bits >= 5;) {
            bits -= 5;
            *out++ = digits[value >> bits & 31];
        }
    }
    *out = '\0';
}

/* CRC-16 of XMODEM, as nkeys has it. */
static unsigned crc16(const unsigned char *p, size_t n)
{
    unsigned crc = 0;

    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)p[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1) & 0xffff;
    }
    return crc;
}

static int public_of(const unsigned char *secret, char out[GW_NATS_PUBLIC_KEY])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, KEY);
    unsigned char bytes[PUBLIC_BYTES] = {USER_PREFIX};
    size_t n = KEY;
    unsigned crc;
    int good;

    good = key && EVP_PKEY_get_raw_public_key(key, bytes + 1, &n);
    EVP_PKEY_free(key);
    if (!good)
        return -1;
    crc = crc16(bytes, KEY + 1);
    bytes[KEY + 1] = crc & 0xff;
    bytes[KEY + 2] = (unsigned char)(crc >> 8);
    encode(bytes, sizeof(bytes), out);
    return 0;
}

/* A line that begins with SU; what is around it may be any text. */
static const char *find_seed(const char *text)
{
    for (const char *at = text; at && *at; at = strchr(at, '\n')) {
        at += strspn(at, " \t\r\n");
        if (!strncmp(at, "SU", 2) && strspn(at, digits) == SEED_TEXT)
            return at;
    }
    return NULL;
}

static int read_file(const char *name, char *text, size_t size, struct gw_err *err)
{
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (n < 0)
        gw_err_errno(err, GW_ERR_RETRY, "%s", name);
    if (fd >= 0)
        close(fd);
    text[n < 0 ? 0 : n] = '\0';
    return n < 0 ? -1 : 0;
}

int gw_nats_public_key(const char *file, char out[GW_NATS_PUBLIC_KEY], struct gw_err *err)
{
    unsigned char bytes[SEED_BYTES];
    char text[FILE_MAX];
    const char *seed;
    int good;

    if (read_file(file, text, sizeof(text), err))
        return -1;
    seed = find_seed(text);
    good = seed && !decode(seed, bytes) && bytes[0] == (SEED_PREFIX | USER_PREFIX >> 5) &&
           crc16(bytes, SEED_BYTES - 2) ==
               (bytes[SEED_BYTES - 2] | (unsigned)bytes[SEED_BYTES - 1] << 8) &&
           !public_of(bytes + 2, out);
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
    return good ? 0 : gw_err_set(err, GW_ERR_FATAL, "%s holds no seed of a user (SU…)", file);
}
