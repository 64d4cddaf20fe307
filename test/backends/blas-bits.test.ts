/** The system's BLAS rounds alike on any number of threads, as it is found. */
import { systemBlas } from '../support/blas.ts';
import { testSameBits } from '../support/same-bits.ts';

testSameBits(systemBlas());
