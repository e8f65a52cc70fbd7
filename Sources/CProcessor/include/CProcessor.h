// What processor this is, and whether its clock is right. Built without -march flags, so that it runs on the oldest x86-64 there is and can say what
// is missing before any code runs that needs it.

#ifndef CPROCESSOR_H
#define CPROCESSOR_H

/// The features of x86-64-v3 that the processor or the operating system lacks, separated by ", ": an empty text where
/// nothing is missing, and on every other architecture. The text lives as long as the process.
const char *processor_missing_features(void);

/// Whether processor and operating system have AVX-512 as Skylake servers have it (F, CD, BW, DQ, VL).
int processor_has_avx512(void);

/// Whether they have it as Cooper Lake has it: VNNI and bfloat16 besides.
int processor_has_avx512_bf16(void);

/// The processor's own name, such as "AMD EPYC 9354 32-Core Processor", or the architecture's where it has none.
/// The text lives as long as the process.
const char *processor_name(void);

/// Whether the kernel holds its clock to be in step with others: 1 yes, 0 no, -1 where it does not say (adjtimex(2)).
int clock_is_synchronised(void);

#endif
