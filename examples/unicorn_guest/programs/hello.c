/* The least that a C library does: start, print, end. */
#include <stdio.h>

int main(int argc, char **argv) {
    printf("hello from %d argument%s\n", argc, argc == 1 ? "" : "s");
    for (int i = 1; i < argc; i++)
        printf("%s\n", argv[i]);
    return 7;
}
