/* Loaded first, this has a process that ends by _exit count its lines, too: what gcc adds writes them down in exit alone.
 * So ends each child of a fork in the tests, and each worker of multiprocessing. */
#include <stdlib.h>

void _exit(int status) { exit(status); }
