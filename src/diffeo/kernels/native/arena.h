// Memory that stays warm between calls.

// grows, never shrinks, and is not cleared: pages stay warm from call to call
struct Arena {
    float* data = nullptr;
    size_t size = 0, used = 0;
    ~Arena() { std::free(data); }
    void reserve(size_t floats) {
        used = 0;
        if (floats <= size) return;
        std::free(data);
        size = floats + floats / 4;
        data = static_cast<float*>(std::aligned_alloc(64, (size * 4 + 63) / 64 * 64));
        if (!data) throw std::bad_alloc();
        std::memset(data, 0, size * 4);
    }
    float* take(size_t floats) {
        float* start = data + used;
        used += (floats + 15) / 16 * 16;
        return start;
    }
};
