//! 256-bit vectors.

use std::arch::x86_64::*;

use super::vector::vector;

vector! {
    Avx2(__m256), 8 floats, 3 rows,
    load _mm256_loadu_ps, store _mm256_storeu_ps, splat _mm256_set1_ps,
    add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps,
    div _mm256_div_ps, sqrt _mm256_sqrt_ps,
    fma _mm256_fmadd_ps, min _mm256_min_ps, max _mm256_max_ps,
    flush |value, limit| {
        let size = _mm256_andnot_ps(_mm256_set1_ps(-0.0), value);
        let keep = _mm256_cmp_ps::<_CMP_NLT_UQ>(size, limit);
        _mm256_and_ps(keep, value)
    }
}
