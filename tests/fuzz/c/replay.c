/* Runs a fuzzer's function on inputs from standard input, a line of hexadecimal digits each, where there is no libFuzzer. */
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096 };

int main(int argc, char **argv)
{
    char line[2 * LONGEST + 2];
    uint8_t data[LONGEST];
    LLVMFuzzerInitialize(&argc, &argv);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        size_t n = 0;
        unsigned byte;
        while (n < LONGEST && sscanf(line + 2 * n, "%2x", &byte) == 1)
            data[n++] = (uint8_t)byte;
        fputs(line, stderr);
        LLVMFuzzerTestOneInput(data, n);
    }
    return 0;
}
