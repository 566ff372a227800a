// A failed assertion says where it stands and ends the simulation, not the process.
#include <cstdio>

#include "verilated.h"

void vl_stop(const char* filename, int line, const char* hier) VL_MT_UNSAFE {
    std::fprintf(stderr, "%s:%d: simulation stopped in %s\n", filename, line, hier);
    Verilated::threadContextp()->gotFinish(true);
}
