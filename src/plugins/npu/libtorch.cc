// Intentionally empty: LibTorch's symbols are in libtorch_cpu.so and libc10.so.
extern const int kLibtorchIsEmpty;
const int kLibtorchIsEmpty = 1;
