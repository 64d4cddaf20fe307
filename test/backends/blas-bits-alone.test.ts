/** The system's BLAS rounds alike on any number of threads where no library with wider vectors is beside it. */
import { systemBlas } from '../support/blas.ts';
import { testSameBits } from '../support/same-bits.ts';

const found = systemBlas();
testSameBits(typeof found === 'string' ? found : systemBlas(found.library));
