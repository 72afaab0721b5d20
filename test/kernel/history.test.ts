import { describeChecks } from './checks'

describeChecks('history in a file, over real kernels', 'history.py')
