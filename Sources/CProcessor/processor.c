#include "CProcessor.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <stdint.h>

/// A bit of one register of one CPUID leaf, by the name that people know.
struct feature {
    const char *name;
    unsigned leaf;
    enum { EBX, ECX } reg;
    unsigned bit;
};

// Intel SDM volume 2A, CPUID; the list is that of the x86-64 psABI for the level x86-64-v3.
static const struct feature features[] = {
    {"avx", 1, ECX, 28},        {"avx2", 7, EBX, 5}, {"bmi1", 7, EBX, 3},   {"bmi2", 7, EBX, 8},
    {"f16c", 1, ECX, 29},       {"fma", 1, ECX, 12}, {"movbe", 1, ECX, 22}, {"osxsave", 1, ECX, 27},
    {"lzcnt", 0x80000001, ECX, 5},
};

static int has(const struct feature *feature) {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid_count(feature->leaf, 0, &eax, &ebx, &ecx, &edx)) return 0;
    return (feature->reg == EBX ? ebx : ecx) >> feature->bit & 1;
}

/// Whether the operating system saves the upper halves of the vector registers: bits 1 (SSE) and 2 (AVX) of XCR0.
static int system_saves_vectors(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

const char *processor_missing_features(void) {
    static char missing[128];
    char text[sizeof missing] = "";
    size_t length = 0;
    int saves = 1;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        if (has(&features[i])) continue;
        if (strcmp(features[i].name, "osxsave") == 0) saves = 0;
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", length ? ", " : "", features[i].name);
    }
    // XGETBV is itself an illegal instruction without OSXSAVE.
    if (saves && !system_saves_vectors()) {
        snprintf(text + length, sizeof text - length, "%savx state saved by the system", length ? ", " : "");
    }
    // The same bytes on every call, so that a second caller never sees a half-written text.
    memcpy(missing, text, sizeof missing);
    return missing;
}

/// The registers of CPUID leaf 7, all zero where there is none.
static void leaf7(unsigned subleaf, unsigned *eax, unsigned *ebx, unsigned *ecx) {
    unsigned edx;
    *eax = *ebx = *ecx = 0;
    __get_cpuid_count(7, subleaf, eax, ebx, ecx, &edx);
}

int processor_has_avx512(void) {
    unsigned eax, ebx, ecx;
    // Without the upper registers in XCR0 (bits 5 to 7) the features are of no use.
    if (processor_missing_features()[0]) return 0;
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    leaf7(0, &eax, &ebx, &ecx);
    const unsigned needed = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    return (low & 0xe0) == 0xe0 && (ebx & needed) == needed;
}

int processor_has_avx512_bf16(void) {
    unsigned eax, ebx, ecx, vnni;
    leaf7(0, &eax, &ebx, &ecx);
    vnni = ecx >> 11 & 1;
    leaf7(1, &eax, &ebx, &ecx);
    return processor_has_avx512() && vnni && (eax >> 5 & 1);
}

const char *processor_name(void) {
    static char name[49];
    unsigned words[12] = {0};
    for (unsigned i = 0; i < 3; i++) {
        unsigned *w = words + 4 * i;
        if (!__get_cpuid(0x80000002 + i, &w[0], &w[1], &w[2], &w[3])) return "x86-64";
    }
    char text[49] = "";
    memcpy(text, words, sizeof words);
    // The brand is padded with blanks on either side.
    const char *start = text + strspn(text, " ");
    size_t length = strlen(start);
    while (length > 0 && start[length - 1] == ' ') length--;
    if (length == 0) return "x86-64";
    memcpy(name, start, length);
    return name;
}

#else

const char *processor_missing_features(void) { return ""; }

int processor_has_avx512(void) { return 0; }

int processor_has_avx512_bf16(void) { return 0; }

const char *processor_name(void) {
#if defined(__aarch64__)
    return "aarch64";
#else
    return "unknown";
#endif
}

#endif
