/* CRC-32C with the processor's instruction where there is one, else by table. */
#include "base/text.h"

#include <pthread.h>

static uint32_t table[256];
static uint32_t (*update)(uint32_t crc, const unsigned char *p, size_t len);
static pthread_once_t chosen = PTHREAD_ONCE_INIT;

static uint32_t by_table(uint32_t crc, const unsigned char *p, size_t len)
{
    while (len--)
        crc = table[(crc ^ *p++) & 0xff] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc,
                                                                 const unsigned char *p, size_t len)
{
    uint64_t wide = crc;

    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;

        memcpy(&word, p, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--)
        crc = __builtin_ia32_crc32qi(crc, *p++);
    return crc;
}
#endif

static void choose(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
        table[i] = c;
    }
    update = by_table;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        update = by_instruction;
#endif
}

uint32_t gw_crc32c(uint32_t seed, const void *p, size_t len)
{
    pthread_once(&chosen, choose);
    return ~update(~seed, p, len);
}
