/*
 * Names that the linker gives: see --wrap in build.sh.
 */
#ifndef STUBS_H
#define STUBS_H

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);

#endif
