import { describeChecks } from './checks'

describeChecks('cells, over a real kernel', 'cells.py', 240_000)
