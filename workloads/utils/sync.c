/* sync: has everything written to disk. */
#include "util.h"

int main(void)
{
	sync();
	return 0;
}
